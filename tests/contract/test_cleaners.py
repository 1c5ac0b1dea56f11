"""Every cleaner keeps the contract: a picture in, a picture out, the same each time, and the first one untouched."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest

import cleaners
from curate.stages.denoise import Denoise

EVERY = pytest.mark.parametrize("name", cleaners.names())
OPTIONS: dict[str, Any] = {**dict(Denoise(model="lanczos", large=0)), "offline": True}


def opened(name: str) -> cleaners.Cleaner:
    if name == "diffusion":
        pytest.skip("needs a model of its own: tests/cleaners/test_diffusion.py makes one")
    return cleaners.cleaner(name).from_options(OPTIONS)


def pictures() -> list[Any]:
    draw = np.random.default_rng(3)
    return [draw.integers(0, 255, (48, 64, 3), dtype=np.uint8) for _ in range(2)]


@EVERY
def test_it_says_what_it_does(name: str) -> None:
    found = cleaners.cleaner(name)
    assert found.help and not found.help.endswith(".") and "\n" not in found.help
    made = found.from_options(OPTIONS)
    assert pickle.loads(pickle.dumps(made)) == made
    assert list(made.files()) == []


@EVERY
def test_it_is_deterministic_and_leaves_the_picture_alone(name: str) -> None:
    first, second = pictures()
    before = first.copy()
    with opened(name).open("cpu") as clean:
        one, other, again = clean(first), clean(second), clean(first)
    with opened(name).open("cpu") as clean:
        alone = clean(second)
    assert np.array_equal(one, again) and np.array_equal(other, alone)
    assert np.array_equal(first, before)
    assert one.dtype == np.uint8 and one.ndim == 3 and one.shape[2] == 3


@EVERY
def test_what_it_takes_is_a_question_of_size(name: str) -> None:
    made = opened(name)
    assert made.takes(np.zeros((4096, 4096, 3), np.uint8))
