"""Guides by name: their values beneath the user's, and nothing that would contradict him."""

from __future__ import annotations

from typing import Any

import pytest
from ruamel.yaml import YAML

from curate.diffusion.family import family
from curate.train.options import TrainOptions, presets, resolve
from curate.train.output import run_records

WRITTEN = """
valstrix: {algo: locon, rank: 32, conv_rank: 16, conv_alpha: 1, optimizer: prodigy, schedule: cosine, weight_decay: 0.1,
  min_snr: 5, debiased: true, batch: 1, showings: 100}
lycoris-lora: {algo: lora, rank: 8, alpha: 4, optimizer: adamw8bit, schedule: constant-with-warmup, batch: 8}
lycoris-loha: {algo: loha, rank: 4, alpha: 2, optimizer: adamw8bit, schedule: constant-with-warmup, batch: 8}
lycoris-lokr: {algo: lokr, rank: null, factor: 8, optimizer: adamw8bit, schedule: constant-with-warmup, batch: 8}
pony: {algo: locon, rank: 8, alpha: 4, conv_rank: 256, conv_alpha: 4, scale_weight_norms: 1, optimizer: adamw,
  learning_rate: 0.0001, schedule: cosine, precision: fp16, batch: 8, accumulate: 6, bucket_step: 32,
  multires_steps: 10, multires_discount: 0.1, keep_tokens: 1, steps: 400, epochs: null}
style: {algo: locon, rank: 32, showings: 35}
"""
LAYERS = {
    "lycoris-lora": "attn-mlp",
    "lycoris-loha": "attn-mlp",
    "lycoris-lokr": "attn-mlp",
    "pony": "full",
    "style": "full",
}


def made(guide: str, **given: Any) -> TrainOptions:
    return TrainOptions(guide=guide, **given)


GUIDES: dict[str, dict[str, Any]] = YAML(typ="safe", pure=True).load(WRITTEN)


@pytest.mark.parametrize("name", GUIDES)
def test_a_guide_sets_what_it_says(name: str) -> None:
    options, wanted = made(name), GUIDES[name]
    assert {option: getattr(options, option) for option in wanted} == wanted
    if name in LAYERS:
        assert resolve.layer_preset(options, family("sd1")) == LAYERS[name]


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


def test_a_guide_for_lora_leaves_the_size_of_other_algorithms_to_them() -> None:
    assert (made("zimage").rank, made("zimage").alpha) == (32, 32)
    assert (made("zimage", algo="lokr").rank, made("zimage", algo="lokr").learning_rate) == (None, 1e-4)
    assert made("zimage", rank=8).alpha is None  # which is the rank then
    assert made("zimage-onetrainer", rank=8).alpha == 1


def test_fit_chooses_what_saves_memory_instead_of_the_guide() -> None:
    assert (made("zimage").base_precision, made("zimage").gradient_checkpointing) == ("fp8", True)
    fitted = made("zimage", fit="12GB")
    assert (fitted.base_precision, fitted.gradient_checkpointing) == ("auto", False)


def test_the_source_of_each_value_is_named() -> None:
    assert presets.source("zimage", "flow_shift") == "guide zimage: musubi-tuner's documentation"
    assert presets.source("pony", "rank") == "guide pony"


def test_what_another_algorithm_cannot_use_is_left_out() -> None:
    assert made("lycoris-lokr", algo="loha").factor is None
    assert made("pony", multires_steps=0).multires_discount == 0.3


def test_layers_beside_a_guide() -> None:
    assert resolve.layer_preset(made("lycoris-loha", layer_preset="full"), family("sd1")) == "full"
    assert resolve.layer_preset(made("pony", layer_preset="attn-only"), family("sd1")) == "attn-only"
    assert resolve.layer_preset(made("lycoris-loha"), family("sd1")) == "attn-mlp"
    assert resolve.layer_preset(TrainOptions(layer_preset="full-lin"), family("sd1")) == "full-lin"


@pytest.mark.parametrize(
    ("written", "instead"),
    [
        ("valstrix", "write guide: valstrix"),
        ("full", "write layer_preset: full"),
        (["pony", "attn-only"], "write guide: pony and layer_preset: attn-only"),
        (("style",), "write guide: style"),
        ([], "see the help of both"),
    ],
)
def test_the_old_option_says_what_to_write(written: Any, instead: str) -> None:
    with pytest.raises(ValueError, match=f"preset is two options now.*{instead}"):
        TrainOptions(preset=written)  # type: ignore[call-arg]


@pytest.mark.parametrize(
    ("options", "identity"),
    [
        ({}, "09562541e26684b8"),
        ({"layer_preset": "full", "rank": 8}, "4fe361e1dd0ca97a"),
        ({"guide": "pony"}, "c24334a78e7a9173"),
        ({"guide": "valstrix", "layer_preset": "attn-only"}, "5c653519efca97bb"),
        ({"guide": "lycoris-loha", "rank": 2}, "ca9de2fa80f17c7c"),
    ],
)
def test_runs_of_the_time_of_one_option_are_still_known(options: dict[str, Any], identity: str) -> None:
    """What was trained before the option was split is recalled: identities as that version made them."""
    assert run_records.run_id(TrainOptions(**options), "data", "base") == identity


def test_unknown_names_are_refused() -> None:
    with pytest.raises(ValueError, match="unknown guide"):
        made("ponny")
