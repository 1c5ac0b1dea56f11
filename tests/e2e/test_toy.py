"""The base `toy` serves training, pictures and grids by its name."""

from __future__ import annotations

from pathlib import Path

from tests.e2e.conftest import STAGES, Curate, pipeline

TRAIN = "  - train: {base: toy, steps: 2, rank: 1, layer_preset: attn-only, tensorboard: false}\n"
SMALL = ("--steps", "2", "--width", "96", "--height", "96", "--device", "cpu")


def test_a_lora_on_it_is_trained_and_drawn(curate: Curate, tmp_path: Path, raw: Path) -> None:
    prepared = tmp_path / "prepared"
    curate("run", pipeline(tmp_path, raw, stages=STAGES + TRAIN))
    [lora] = (prepared / "lora").glob("*.safetensors")
    curate("sample", "toy", "--lora", lora, "--prompt", "a red cat on a meadow", *SMALL, "-o", tmp_path / "samples")
    assert len(list((tmp_path / "samples").glob("*.png"))) == 1
    curate("grid", prepared, "--prompt", "a red cat on a meadow", *SMALL, "-o", tmp_path / "grid")
    assert len(list((tmp_path / "grid" / "pictures").glob("*.png"))) == 2
