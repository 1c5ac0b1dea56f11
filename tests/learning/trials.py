"""Trials of learning: a LoRA on the base `toy` for a concept of the toy world, and what its samples show.

The concepts are subjects that the base never saw. A judge on latents that knows all subjects says what samples show,
and its inner features say how far they are from renders of the concept.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from curate.core.record import Manifest
from curate.core.stage import Env
from curate.diffusion.load import load
from curate.diffusion.toy.judge import QUESTIONS, load_judge
from curate.samples.toy_world import BACKGROUNDS, LEARNED, Scene, random_scene, render
from curate.sampling.draw import Hardware, TextToImage
from curate.sampling.loras import LoraStrength, applied, read_lora
from curate.sampling.settings import PictureSettings
from curate.stages.train import Train

PLACES = tuple(BACKGROUNDS)
SAMPLES = 48
STEPS = 12
"""Of the sampler."""
TOGETHER = 24
"""Samples that are drawn in one batch."""
SHOWN = ("meadow", "beach", "snow", "night", "room", "white background")
UNSEEN = tuple(place for place in PLACES if place not in SHOWN)
GENTLE: dict[str, Any] = {
    "base": "toy",
    "rank": 16,
    "steps": 300,
    "batch": 6,
    "learning_rate": 2e-3,
    "text_lr": 2e-3,
    "reg_folder": "builtin:regularization",
    "save_precision": "fp32",
    "tensorboard": False,
}


@dataclass(frozen=True)
class Subject:
    """A concept to learn: its trigger, and what its pictures show."""

    trigger: str
    subject: str
    colour: str

    def scenes(self, places: Sequence[str], seed: int) -> list[Scene]:
        """A scene before each of the backgrounds."""
        return [Scene(self.subject, self.colour, place, seed=seed + n) for n, place in enumerate(places)]


BIRD = Subject("zwx bird", "bird", "orange")
CUP = Subject("qvk cup", "cup", "purple")
KNOWN = Subject("xvd", "rocket", "green")
"""What the base can draw, under a word that it does not know: for the text encoder alone to learn."""


class PngPictures:
    """Reads pictures with Pillow alone."""

    def read(self, path: Path) -> Any:
        with Image.open(path) as image:
            return np.asarray(image.convert("RGB"))

    def write(self, pixels: Any, path: Path, encoding: str) -> None:
        raise NotImplementedError


def write_concept(folder: Path, concept: Subject, seed: int = 900_000) -> None:
    """Six pictures of the concept with their captions: the trigger and the background."""
    place = folder / f"1_{concept.trigger}"
    place.mkdir(parents=True)
    for scene in concept.scenes(SHOWN, seed):
        render(scene).save(place / f"{scene.background}.png")
        (place / f"{scene.background}.txt").write_text(f"{concept.trigger}, {scene.background}", encoding="utf-8")


def train(folder: Path, **options: Any) -> Path:
    """Trains on the folder; the LoRA's path."""
    stage = Train.build({**GENTLE, **options})
    env = Env(root=folder, output=folder, pictures=PngPictures(), device="cpu", offline=True)
    stage.run(Manifest(), env, lambda event: None)
    return max((folder / "lora").glob("*.safetensors"), key=lambda path: path.stat().st_mtime_ns)


def draw(prompts: Sequence[str], lora: Path | None = None, seed: int = 0, first: int = 0) -> Tensor:
    """Latents (N, 4, 12, 12) that the base draws, with the LoRA where one is given; `first` numbers the samples."""
    backbone = load("toy", offline=True)
    settings = [
        PictureSettings(prompt, "", 96, 96, seed * 10_000 + n, STEPS, 4.0, 0.7, "ddim")
        for n, prompt in enumerate(prompts, first)
    ]
    device = torch.device("cpu")
    used = [LoraStrength(lora, 1.0, 1.0)] if lora else []
    with applied(backbone, [(read_lora(one.path, backbone), one) for one in used], device):
        artist = TextToImage(backbone, Hardware(device), backbone.prediction, backbone.ztsnr)
        return torch.cat([artist.latents(settings[n : n + TOGETHER]) for n in range(0, len(settings), TOGETHER)])


def encode(pictures: Sequence[Image.Image]) -> Tensor:
    """Their latents (N, 4, 12, 12), scaled as those that are drawn."""
    backbone = load("toy", offline=True)
    pixels = torch.from_numpy(np.stack([np.asarray(one, dtype=np.float32) for one in pictures]) / 127.5 - 1)
    with torch.no_grad():
        found: Any = backbone.vae.encode(pixels.permute(0, 3, 1, 2))  # type: ignore[operator]
        return found.latent_dist.mean * backbone.vae.config.scaling_factor  # type: ignore[attr-defined,union-attr]


@cache
def _judge() -> Any:
    return load_judge()


def answers(latents: Tensor) -> dict[str, Tensor]:
    """Probabilities of each choice, per question."""
    with torch.no_grad():
        parts = _judge()(latents).split([len(names) for names in QUESTIONS.values()], 1)
    return {question: part.softmax(1) for question, part in zip(QUESTIONS, parts, strict=True)}


def features(latents: Tensor) -> Tensor:
    """The judge's inner features (N, F)."""
    with torch.no_grad():
        return _judge()[:-1](latents)


def share(latents: Tensor, question: str, expected: Sequence[str] | str) -> float:
    """How many of the samples show it, 0 to 1; `expected` is one choice for all or one each."""
    names = [expected] * len(latents) if isinstance(expected, str) else list(expected)
    seen = answers(latents)[question].argmax(1)
    return float(np.mean([int(one) == QUESTIONS[question].index(name) for one, name in zip(seen, names, strict=True)]))


def both(latents: Tensor, concept: Subject) -> float:
    """How many of the samples show the concept's subject in its colour."""
    found = answers(latents)
    subject = found["subject"].argmax(1) == QUESTIONS["subject"].index(concept.subject)
    colour = found["colour"].argmax(1) == QUESTIONS["colour"].index(concept.colour)
    return float((subject & colour).float().mean())


@dataclass(frozen=True)
class Learned:
    """What the samples of one LoRA show; all but the distances are shares from 0 to 1.

    fidelity     samples with the trigger that show the concept's subject in its colour
    way          how far their mean features went from the base's samples to the renders: 0 not at all, 1 there
    flexibility  samples with the trigger that show the background asked for; `unseen` of those not trained
    leakage      samples of other subjects, without the trigger, that show the concept's subject
    kept         samples of other subjects that show the subject asked for; `kept_colour` its colour
    diversity    mean distance between samples of the same prompt, over that of renders
    """

    fidelity: float
    way: float
    flexibility: float
    unseen: float
    leakage: float
    kept: float
    kept_colour: float
    diversity: float


def confusion(concepts: Sequence[Subject], lora: Path, seed: int = 0, samples: int = 24) -> dict[str, dict[str, float]]:
    """By the concept asked for: how many of the samples show each concept's subject in its colour."""
    found: dict[str, dict[str, float]] = {}
    for asked in concepts:
        drawn = _drawn(asked, samples, lora, seed)
        found[asked.trigger] = {seen.trigger: both(drawn, seen) for seen in concepts}
    return found


def plain_scenes(count: int, seed: int = 4_000_000) -> list[Scene]:
    """Flat scenes of what the base knows."""
    found = (random_scene(seed + n, LEARNED) for n in range(10 * count))
    return [scene for scene in found if scene.style == "flat"][:count]


def measure(concept: Subject, lora: Path | None, seed: int = 0, samples: int = SAMPLES, plain: int = 32) -> Learned:
    """Draws and measures: `samples` with the trigger before all backgrounds, `plain` of what the base knows."""
    assert samples <= SAMPLES
    places = [PLACES[n % len(PLACES)] for n in range(samples)]
    others = plain_scenes(plain)
    known = [", ".join(scene.tags()) for scene in others]
    untouched, mine = (_drawn(concept, samples, used, seed) for used in (None, lora))
    rest = draw(known, lora, seed, samples)
    renders = encode([render(scene) for scene in concept.scenes(places, 5_000_000)])
    goal, before, now = (features(one).mean(0) for one in (renders, untouched, mine))
    rows = [n for n, place in enumerate(places) if place in UNSEEN]
    return Learned(
        both(mine, concept),
        float(1 - (now - goal).norm() / (before - goal).norm()),
        share(mine, "background", places),
        share(mine[rows], "background", [places[n] for n in rows]),
        share(rest, "subject", concept.subject),
        share(rest, "subject", [scene.subject for scene in others]),
        share(rest, "colour", [scene.colour for scene in others]),
        _spread(mine, places) / _spread(renders, places),
    )


def _prompts(concept: Subject, samples: int) -> list[str]:
    return [f"{concept.trigger}, {PLACES[n % len(PLACES)]}" for n in range(samples)]


def _drawn(concept: Subject, samples: int, lora: Path | None, seed: int) -> Tensor:
    """Samples with the trigger, each drawn once."""
    count = -(-samples // TOGETHER)
    return torch.cat([_together(concept, n * TOGETHER, lora, seed) for n in range(count)])[:samples]


@cache
def _together(concept: Subject, first: int, lora: Path | None, seed: int) -> Tensor:
    """The TOGETHER samples from the one that is numbered `first`."""
    return draw(_prompts(concept, first + TOGETHER)[first:], lora, seed, first)


def _spread(latents: Tensor, places: Sequence[str]) -> float:
    found = features(latents)
    groups = [found[[n for n, one in enumerate(places) if one == place]] for place in dict.fromkeys(places)]
    return float(np.mean([torch.pdist(group).mean() for group in groups if len(group) > 1]))
