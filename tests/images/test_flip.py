"""Stage flip: the listed pictures, and no others."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from curate.core.stage import Concept
from curate.stages.flip import Flip

from .stages import env, held, run

PICTURE = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)


@pytest.mark.parametrize(
    ("pattern", "key", "flipped"),
    [
        ("a.png", "dog/a.png", True),
        ("a", "dog/a.png", True),
        ("sub/a.png", "dog/sub/a.png", True),
        ("a.png", "dog/sub/a.png", True),
        ("left_*", "dog/left_01.png", True),
        ("dog/a.png", "dog/a.png", True),
        ("a.gif", "dog/a.gif#3", True),
        ("a.png", "dog/aa.png", False),
        ("b.png", "dog/a.png", False),
    ],
)
def test_what_is_listed(tmp_path: Path, pattern: str, key: str, flipped: bool) -> None:
    where = env(tmp_path)
    (done,) = run(Flip(pictures=(pattern,)), where, held(where, PICTURE, key))
    assert np.array_equal(where.pixels(done), PICTURE[:, ::-1] if flipped else PICTURE)
    assert done.facts.get("flipped", False) is flipped


def test_the_list_of_the_concept_counts_for_that_concept(tmp_path: Path) -> None:
    where = dataclasses.replace(env(tmp_path), concepts={"dog": Concept(flip=("a.png",))})
    dog, cat = run(Flip(), where, held(where, PICTURE, "dog/a.png"), held(where, PICTURE, "cat/a.png", "cat"))
    assert dog.facts["flipped"] is True
    assert "flipped" not in cat.facts


def test_equal_pictures_under_other_names_are_told_apart(tmp_path: Path) -> None:
    where = env(tmp_path)
    first, second = held(where, PICTURE, "dog/a.png"), held(where, PICTURE, "dog/b.png")
    assert Flip().view(first) != Flip().view(second)
