"""The base `toy` is made from nothing in stages; a killed run goes on to the same bytes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from curate.diffusion.load import load
from curate.diffusion.toy.autoencoder import AutoencoderRun, decibels, new_autoencoder, to_tensor
from curate.diffusion.toy.data import LEARNED, caption, held_out, scenes
from curate.diffusion.toy.judge import accuracy, labels
from curate.diffusion.toy.network import NetworkRun, alphas
from curate.diffusion.toy.train_toy import Budget, tokenizer, train_toy
from curate.samples.toy_world import BACKGROUNDS, COLOURS, SUBJECTS, Scene, render

SMALL = Budget(
    scenes=40,
    learned=12,
    judged=4,
    autoencoder=AutoencoderRun(crop_steps=2, whole_steps=1, crop_batch=2, whole_batch=2, save_every=1),
    network=NetworkRun(steps=3, batch=4, save_every=1),
    judge_steps=2,
    strict=False,
)


def killed_at(line: str) -> Callable[[str], None]:
    def tell(said: str) -> None:
        if line in said:
            raise KeyboardInterrupt

    return tell


def weights(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in (folder / "weights").rglob("*") if p.is_file()}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made")
    train_toy(folder, SMALL, lambda _: None)
    return folder


@pytest.mark.slow
def test_a_killed_run_goes_on_to_the_same_bytes(made: Path, tmp_path: Path) -> None:
    for line in ("autoencoder step 2", "network step 1"):
        with pytest.raises(KeyboardInterrupt):
            train_toy(tmp_path, SMALL, killed_at(line))
    train_toy(tmp_path, SMALL, lambda _: None)
    assert weights(tmp_path) == weights(made)


def test_what_it_writes_loads_as_a_base_that_predicts_v(made: Path) -> None:
    base = load(str(made / "weights"), offline=True)
    assert (base.resolution, base.prediction) == (96, "v")
    assert base.texts[0].tokens("zwx, red cat").shape == (1, 77)
    files = (made / "weights").rglob("*.safetensors")
    assert sum(file.stat().st_size for file in files) < 12_000_000


def test_every_word_of_a_caption_is_one_token(tmp_path: Path) -> None:
    words = tokenizer(tmp_path)
    for scene in scenes(50):
        said = scene.sentence()
        assert len(words.tokenize(said)) == len(said.split())


def test_one_background_of_each_subject_and_colour_is_held_out() -> None:
    for subject in SUBJECTS:
        for colour in COLOURS:
            assert sum(held_out(Scene(subject, colour, place)) for place in BACKGROUNDS) == 1
    assert not any(held_out(scene) for scene in scenes(200))
    assert all(held_out(scene) for scene in scenes(20, hold=True, subjects=LEARNED))


def test_captions_drop_tags_take_both_forms_and_hold_nonsense_now_and_then() -> None:
    scene, draw = Scene("cat", "red", "meadow"), np.random.default_rng(0)
    captions = [caption(scene, draw) for _ in range(2000)]
    known = {"a red cat on a meadow", "cat", "red", "meadow"}
    strange = [c for c in captions if set(c.split(", ")) - known - {""}]
    assert 0.09 < len(strange) / len(captions) < 0.16
    assert 0.45 < np.mean(["a red cat on a meadow" in c for c in captions]) < 0.55
    assert any(c in ("cat, red", "red, cat") for c in captions)


def test_the_autoencoder_s_start_already_shows_pictures() -> None:
    pixels = np.stack([np.asarray(render(scene)) for scene in scenes(24)])
    vae = new_autoencoder(pixels).eval()
    assert decibels(vae, pixels) > 15
    with torch.no_grad():
        latents = vae.encode(to_tensor(pixels)).latent_dist.mean
    assert latents.shape == (24, 4, 12, 12)


def test_the_schedule_is_stable_diffusion_s() -> None:
    shares = alphas()
    assert shares[0] == pytest.approx(0.99915, abs=1e-5) and shares[999] == pytest.approx(0.00466, abs=1e-5)


def test_colours_that_a_style_hides_are_not_judged() -> None:
    some = [
        Scene("cat", "red", "snow"),
        Scene("car", "red", "snow", "monochrome"),
        Scene("car", "red", "snow", "sketch"),
    ]
    right = labels(some)
    assert right[:, 1].tolist() == [0, -100, -100]
    seen = right.clone()
    seen[1:, 1] = 5
    seen[0, 0] = 7
    assert accuracy(seen, some) == {"subject": pytest.approx(2 / 3), "colour": 1.0, "background": 1.0}
