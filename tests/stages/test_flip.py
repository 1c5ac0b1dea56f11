"""Stage flip: the listed pictures, and no others."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from curate.core.events import Event, Note
from curate.core.record import Image, Manifest, Record
from curate.core.stage import Concept, Env
from curate.stages.crop import Crop
from curate.stages.flip import Flip
from tests.stages.helpers import env, held, run

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
    assert Flip().key_fields(first) != Flip().key_fields(second)


def warned(stage: Flip | Crop, where: Env, *keys: str) -> list[str]:
    told: list[Event] = []
    rows = [Record(key=key, concept=key.partition("/")[0], origin=key, image=Image("")) for key in keys]
    stage.check_records(Manifest(rows), where, told.append)
    assert all(isinstance(event, Note) and event.level == "warning" for event in told)
    return [event.message for event in told if isinstance(event, Note)]


def test_a_listed_name_that_means_no_picture_is_told_with_the_nearest(tmp_path: Path) -> None:
    where = dataclasses.replace(
        env(tmp_path), concepts={"dog": Concept(flip=("right.png", "far.png")), "owl": Concept(flip=("x",))}
    )
    lines = warned(Flip(pictures=("left_*", "letf.png")), where, "dog/left.png", "dog/left_1.png", "cat/right.png")
    assert len(lines) == 3
    assert '"letf.png"' in lines[0] and 'did you mean "left.png"?' in lines[0]
    assert '"right.png"' in lines[1] and "in dog" in lines[1]
    assert '"far.png"' in lines[2]


def test_names_of_pictures_and_of_their_frames_to_come_are_known(tmp_path: Path) -> None:
    where = dataclasses.replace(env(tmp_path), concepts={"dog": Concept(flip=("a", "sub/b.png", "dog/c.gif#3"))})
    assert warned(Flip(), where, "dog/a.png", "dog/sub/b.png", "dog/c.gif") == []


def test_a_box_for_no_picture_is_told_too(tmp_path: Path) -> None:
    crop = Crop.model_validate({"boxes": {"a.png": (0, 0, 9, 9), "b.png": (0, 0, 9, 9)}})
    (line,) = warned(crop, env(tmp_path), "dog/a.png")
    assert '"b.png"' in line
