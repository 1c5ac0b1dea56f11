"""Guides by name: their values beneath the user's, and nothing that would contradict him."""

from __future__ import annotations

from typing import Any

import pytest
from ruamel.yaml import YAML

from curate.train.options import TrainOptions, presets, resolve

WRITTEN = """
valstrix: {algo: locon, rank: 32, conv_rank: 16, conv_alpha: 1, optimizer: prodigy, schedule: cosine, weight_decay: 0.1,
  min_snr: 5, debiased: true, batch: 1, showings: 100}
lycoris-lora: {algo: lora, rank: 8, alpha: 4, optimizer: adamw8bit, schedule: constant-with-warmup, batch: 8}
lycoris-loha: {algo: loha, rank: 4, alpha: 2, optimizer: adamw8bit, schedule: constant-with-warmup, batch: 8}
lycoris-lokr: {algo: lokr, rank: null, factor: 8, optimizer: adamw8bit, schedule: constant-with-warmup, batch: 8}
pony: {algo: locon, rank: 8, alpha: 4, conv_rank: 256, conv_alpha: 4, scale_weight_norms: 1, optimizer: adamw,
  learning_rate: 0.0001, schedule: cosine, precision: fp16, batch: 8, accumulate: 6, bucket_step: 32, multires_steps: 10,
  multires_discount: 0.1, keep_tokens: 1, steps: 400, epochs: null}
style: {algo: locon, rank: 32, showings: 35}
"""
LAYERS = {
    "lycoris-lora": "attn-mlp",
    "lycoris-loha": "attn-mlp",
    "lycoris-lokr": "attn-mlp",
    "pony": "full",
    "style": "full",
}


def made(*preset: str, **given: Any) -> TrainOptions:
    return TrainOptions(preset=preset, **given)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", presets.GUIDES)
def test_a_guide_sets_what_it_says(name: str) -> None:
    options, wanted = made(name), YAML(typ="safe", pure=True).load(WRITTEN)[name]
    assert {option: getattr(options, option) for option in wanted} == wanted
    if name in LAYERS:
        assert resolve.preset(options) == LAYERS[name]


def test_the_users_word_stands_above() -> None:
    options = made("pony", rank=16, steps=10, batch=1)
    assert (options.rank, options.steps, options.batch, options.alpha) == (16, 10, 1, 4.0)


def test_alpha_follows_the_optimiser() -> None:
    prodigy, adamw = made("valstrix"), made("valstrix", optimizer="adamw")
    assert (resolve.ranks(prodigy).alpha, resolve.learning_rate(prodigy)) == (1, 1)
    assert (resolve.ranks(adamw).alpha, resolve.learning_rate(adamw)) == (32, 1e-4)
    assert not adamw.optimizer_args and prodigy.optimizer_args


def test_another_length_takes_the_place_of_the_guides() -> None:
    assert made("pony", epochs=3).steps is None
    assert made("style", steps=5).showings == 100
    assert made("pony", showings=20).steps is None


def test_what_another_algorithm_cannot_use_is_left_out() -> None:
    assert made("lycoris-lokr", algo="loha").factor is None
    assert made("pony", multires_steps=0).multires_discount == 0.3


def test_layers_beside_a_guide() -> None:
    assert resolve.preset(made("lycoris-loha", "full")) == "full"
    assert resolve.preset(made("attn-only", "pony")) == "attn-only"
    assert resolve.preset(TrainOptions(preset="full-lin")) == "full-lin"  # type: ignore[arg-type]


@pytest.mark.parametrize("names", [("pony", "style"), ("full", "attn-mlp")])
def test_two_of_a_kind_are_refused(names: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="give one"):
        made(*names)


def test_unknown_names_are_refused() -> None:
    with pytest.raises(ValueError, match="preset"):
        made("ponny")
