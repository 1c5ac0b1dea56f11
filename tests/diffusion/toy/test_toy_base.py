"""The base `toy` that the package carries: small, complete, and it draws what the prompt asks for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from curate.diffusion import toy
from curate.diffusion.load import load
from curate.diffusion.locate import base_digest, locate_base
from curate.diffusion.toy.autoencoder import decibels, to_tensor
from curate.diffusion.toy.data import scenes
from curate.diffusion.toy.judge import accuracy, load_judge, verdicts
from curate.samples.toy_world import BACKGROUNDS, COLOURS, Scene, layers, random_scene, render
from curate.sampling.settings import PictureSettings
from tests.sampling.helpers import drawing

SEEDS = 2


@pytest.fixture(scope="module")
def drawn() -> dict[tuple[str, str], list[np.ndarray]]:
    """Pictures of a cat: in every colour on paper, and in two before every other background."""
    backbone = load("toy", offline=True)
    pairs = [(c, b) for b in BACKGROUNDS for c in (COLOURS if b == "white background" else ("yellow", "blue"))]
    settings = [
        PictureSettings(
            f"cat, {colour}, {background}",
            width=96,
            height=96,
            seed=seed,
            steps=12,
            guidance=4.0,
            guidance_rescale=0.7,
            sampler="ddim",
        )
        for colour, background in pairs
        for seed in range(SEEDS)
    ]
    pictures = drawing(backbone).draw(settings)
    return {pair: [np.asarray(p) for p in pictures[n * SEEDS : (n + 1) * SEEDS]] for n, pair in enumerate(pairs)}


def edges(pixels: np.ndarray) -> np.ndarray:
    """Mean colours of the picture's top and bottom rows."""
    seen = pixels.astype(np.float32)
    return np.concatenate([seen[:10].mean(axis=(0, 1)), seen[-8:].mean(axis=(0, 1))])


def test_it_is_a_small_folder_of_the_package() -> None:
    place = locate_base("toy", offline=True)
    assert place == toy.folder() and (place / "README.md").is_file()
    assert sum(file.stat().st_size for file in place.rglob("*") if file.is_file()) < 12_000_000
    assert base_digest("toy", offline=True) != base_digest("tiny", offline=True)


def test_it_loads_as_a_model_that_predicts_v_at_96_pixels() -> None:
    backbone = load("toy", offline=True)
    assert (backbone.resolution, backbone.prediction, backbone.ztsnr) == (96, "v", False)
    assert len(backbone.texts) == 1 and backbone.texts[0].tokens("qwx über-cat").shape == (1, 77)


def test_pictures_survive_its_autoencoder() -> None:
    pixels = np.stack([np.asarray(render(scene)) for scene in scenes(16, 9_000_000, hold=True)])
    assert decibels(load("toy", offline=True).vae, pixels) > 24


def test_the_background_asked_for_is_there(drawn: dict[tuple[str, str], list[np.ndarray]]) -> None:
    known = {
        name: edges(np.asarray(layers(Scene("cat", "red", name))[0].convert("RGB"), np.uint8)) for name in BACKGROUNDS
    }
    right = [
        min(known, key=lambda name: float(np.abs(known[name] - edges(pixels)).mean())) == background
        for (_, background), pictures in drawn.items()
        for pixels in pictures
    ]
    assert np.mean(right) > 0.85  # by chance 0.125


def test_the_colour_asked_for_is_there_more_than_any_other(drawn: dict[tuple[str, str], list[np.ndarray]]) -> None:
    """On paper, where nothing else is coloured."""
    right: list[bool] = []
    for (colour, background), pictures in drawn.items():
        if background == "white background":
            for pixels in pictures:
                strong = pixels[np.ptp(pixels, axis=2) > 60].astype(np.float32)
                near = np.stack([np.abs(strong - np.array(rgb)).sum(axis=1) for rgb in COLOURS.values()]).argmin(axis=0)
                right.append(list(COLOURS)[int(np.bincount(near, minlength=8).argmax())] == colour)
    assert np.mean(right) > 0.6  # by chance 0.125


def test_the_same_request_gives_the_same_picture() -> None:
    backbone = load("toy", offline=True)
    settings = PictureSettings("a red cat on a meadow", width=96, height=96, steps=4, guidance=4.0, sampler="ddim")
    first, second = (drawing(backbone).draw([settings])[0] for _ in range(2))
    assert np.array_equal(first, second)


def test_the_card_names_data_measures_and_limits() -> None:
    card = (Path(toy.folder()) / "README.md").read_text(encoding="utf-8")
    assert all(f"## {title}" in card for title in ("Data", "Training", "Measures", "Limits"))


def test_the_judge_knows_every_subject_colour_and_background() -> None:
    backbone, judge = load("toy", offline=True), load_judge()
    shown = [random_scene(6_500_000 + n) for n in range(160)]
    pixels = np.stack([np.asarray(render(scene)) for scene in shown])
    with torch.no_grad():
        found: Any = backbone.vae.encode(to_tensor(pixels))  # type: ignore[operator]
    latents = found.latent_dist.mean * backbone.vae.config.scaling_factor  # type: ignore[attr-defined,union-attr]
    assert min(accuracy(verdicts(judge, latents), shown).values()) > 0.95
