"""Extracting: the difference of two models as a LoRA, and merged back."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from curate.diffusion.base_weights import BaseWeights
from curate.errors import InputError
from curate.lora.check import check
from curate.lora.extract import Extracted, Limits, extract
from curate.lora.into_base import merge_into_base
from curate.lora.weights import weighted
from tests.diffusion.helpers import narrow, one_file
from tests.lora.helpers import apart, changes, lora


@pytest.fixture(scope="module")
def tuned(tmp_path_factory: pytest.TempPathFactory, own_cache: Path) -> tuple[Path, Path]:
    """A low-rank fine-tune of tiny, and the LoRA that made it."""
    place = tmp_path_factory.mktemp("tuned")
    path = lora(place / "a.safetensors", "tiny", "locon")
    merge_into_base([weighted(str(path))], BaseWeights.open("tiny", True), place / "tuned")
    return place / "tuned", path


def extracted(tuned: Path, target: Path, limits: Limits, precision: str = "fp32") -> Extracted:
    return extract(BaseWeights.open(str(tuned), True), BaseWeights.open("tiny", True), target, limits, precision)


def test_a_low_rank_fine_tune_comes_back(tuned: tuple[Path, Path], tmp_path: Path) -> None:
    done = extracted(tuned[0], tmp_path / "b.safetensors", Limits(error=1e-4))
    assert apart(changes(done.path), changes(tuned[1])) < 1e-3
    ranks = {row.kept for row in done.rows}
    assert max(ranks) == 6 and min(ranks) >= 4 and done.error <= 1e-4 and not done.lost
    merge_into_base([weighted(str(done.path))], BaseWeights.open("tiny", True), tmp_path / "again")
    again, wanted = BaseWeights.open(str(tmp_path / "again"), True), BaseWeights.open(str(tuned[0]), True)
    for layer in wanted.places:
        assert torch.allclose(again.weight(layer), wanted.weight(layer), atol=1e-5), layer
    assert check(str(done.path), BaseWeights.open("tiny", True)).passed


def test_ranks_and_errors_are_as_said(tuned: tuple[Path, Path], tmp_path: Path) -> None:
    deltas = changes(tuned[1])
    for limits in (Limits(rank=2), Limits(rank=3, conv_rank=1), Limits(error=0.4), Limits(rank=4, error=0.4)):
        done = extracted(tuned[0], tmp_path / f"{limits.rank}-{limits.error}-{limits.conv_rank}.safetensors", limits)
        found = changes(done.path)
        for row in done.rows:
            values = torch.linalg.svdvals(deltas[row.layer].double())
            left = torch.tensor([float(values[n:].norm() / values.norm()) for n in range(len(values))])
            wanted = int((left > limits.error).sum()) if limits.error else 99
            most = (
                limits.conv_rank
                if limits.conv_rank and "conv" in row.layer and "shortcut" not in row.layer
                else limits.rank
            )
            assert row.kept == min(wanted, most or 99), row
            assert row.error == pytest.approx(float(left[row.kept]), abs=2e-3)
            off = float((found[row.layer] - deltas[row.layer]).norm() / deltas[row.layer].norm())
            assert off == pytest.approx(row.error, abs=2e-3)


def test_convolutions_left_out_and_other_tensors_are_told(tuned: tuple[Path, Path], tmp_path: Path) -> None:
    done = extracted(tuned[0], tmp_path / "b.safetensors", Limits(rank=2, conv_rank=0))
    assert not any(layer.endswith(("conv1", "conv2", "conv")) for layer in changes(done.path))
    assert any("other tensors that differ" in text for text in done.lost)


def test_one_file_checkpoints(tmp_path: Path, own_cache: Path) -> None:
    folder = narrow(tmp_path / "base", "sdxl")
    path = lora(tmp_path / "a.safetensors", folder, layer_preset="attn-only")
    base = one_file("sdxl", folder, tmp_path / "base.safetensors")
    merge_into_base([weighted(str(path))], BaseWeights.open(str(base), True), tmp_path / "tuned.safetensors")
    done = extract(
        BaseWeights.open(str(tmp_path / "tuned.safetensors"), True),
        BaseWeights.open(str(base), True),
        tmp_path / "b.safetensors",
        Limits(rank=6),
        "fp32",
    )
    assert apart(changes(done.path), changes(path)) < 1e-4 and check(str(done.path)).passed


def test_models_that_do_not_belong_together(bases: dict[str, Path], tuned: tuple[Path, Path], tmp_path: Path) -> None:
    base = BaseWeights.open("tiny", True)
    for other, message in (
        (str(bases["sdxl"]), "is SDXL, and"),
        (str(bases["sd1"]), "is \\[32"),
        ("tiny", "do not differ"),
    ):
        with pytest.raises(InputError, match=message):
            extract(BaseWeights.open(other, True), base, tmp_path / "x.safetensors", Limits(rank=2))
    with pytest.raises(InputError, match="give --rank 32 or --error"):
        extract(BaseWeights.open(str(tuned[0]), True), base, tmp_path / "x.safetensors", Limits())
    assert list(tmp_path.iterdir()) == []
