"""Deliberate faults in training, to show that the measures of learning see them."""

from __future__ import annotations

import contextlib
import dataclasses
import random
from collections.abc import Generator, Sequence
from pathlib import Path

import pytest
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from curate.diffusion.base import Conditions
from curate.train.loop.conditioning import Conditioner
from curate.train.loop.objective import Schedule


@contextlib.contextmanager
def wrong_sign() -> Generator[None]:
    """The target of the loss has the wrong sign."""
    right = Schedule.target

    def wrong(self: Schedule, latents: Tensor, noise: Tensor, timesteps: Tensor) -> Tensor:
        return -right(self, latents, noise, timesteps)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Schedule, "target", wrong)
        yield


def shuffle_captions(folder: Path) -> None:
    """Gives every picture the caption of another one, of any concept; the folders' names say nothing any more."""
    pictures = sorted(folder.glob("1_*/*.png"))
    captions = [path.with_suffix(".txt").read_text(encoding="utf-8") for path in pictures]
    random.Random(1).shuffle(captions)
    for path, text in zip(pictures, captions, strict=True):
        path.with_suffix(".txt").write_text(text, encoding="utf-8")


def wrong_alpha(lora: Path, factor: float = 1 / 16) -> Path:
    """A copy of the file whose alphas are this many times as large."""
    with safe_open(lora, "pt") as file:
        metadata = file.metadata()
    tensors = {n: value * factor if n.endswith("alpha") else value for n, value in load_file(lora).items()}
    place = lora.with_name(f"{lora.stem} alpha.safetensors")
    save_file({name: value.contiguous() for name, value in tensors.items()}, place, metadata)
    return place


@contextlib.contextmanager
def no_text_gradients() -> Generator[None]:
    """The text encoder's gradients are zero."""
    right = Conditioner.of

    def cut(self: Conditioner, shown: Sequence[str], tokens: Sequence[Tensor], sizes: Tensor) -> Conditions:
        found = right(self, shown, tokens, sizes)
        return dataclasses.replace(found, context=found.context.detach() + 0 * found.context)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Conditioner, "of", cut)
        yield
