"""kill -9 while a run writes what is neither picture nor caption of one: captions without picture, and masks."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from tests.folder.helpers import Project, killed, same_but

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork to die in the middle of a run")

MINE = "zwx dog, written by me"
LATER = "zwx dog, written after the kill"
UNPLACED = "unplaced captions/dog/1.png.txt"


def _killed_twins(project: Project) -> Iterator[Project]:
    """Copies of the project whose next run was killed, each a little later, until one ends."""
    after, alive = 0, False
    while not alive:
        twin = project.twin(f"killed{after}")
        alive = not killed(twin.run, after)
        yield twin
        after += 1
    assert after > 4


def _folders(place: Path) -> set[str]:
    folders = {p.relative_to(place).as_posix() for p in place.rglob("*") if p.is_dir()}
    return {name for name in folders if not name.startswith(".curate")}


def _check(project: Project, expected: dict[str, bytes], folders: set[str]) -> None:
    assert project.files() == expected, f"{project.name}: {same_but(project.files(), expected)}"
    assert _folders(project.out) == folders, project.name


def test_a_caption_that_was_about_to_lose_its_picture_keeps_no_folder(dogs: Project) -> None:
    dogs.edit("1_zwx dog/1.txt", MINE)
    dogs.run()
    expected, folders = dogs.files(), _folders(dogs.out)
    dogs.exclude = ["1"]
    for twin in _killed_twins(dogs):
        twin.exclude = []
        twin.run()
        _check(twin, expected, folders)


def test_a_caption_without_picture_that_is_edited_after_the_kill(dogs: Project) -> None:
    dogs.edit("1_zwx dog/1.txt", MINE)
    dogs.run()
    dogs.exclude = ["1"]
    edited = 0
    for twin in _killed_twins(dogs):
        expected = MINE
        if (twin.out / UNPLACED).exists():
            twin.edit(UNPLACED, LATER)
            expected, edited = LATER, edited + 1
        twin.run()
        texts = {name: text for name, text in twin.captions().items() if name.startswith("unplaced")}
        assert texts == {UNPLACED: expected}, twin.name
    assert edited > 1


def test_a_mask_that_is_drawn(dogs: Project) -> None:
    before, plain = dogs.files(), _folders(dogs.out)
    mask = dogs.place / "in/dog/1-masklabel.png"
    Image.new("L", (6, 6), 255).save(mask)
    whole = dogs.twin("whole")
    whole.run()
    expected, folders = whole.files(), _folders(whole.out)
    assert "masks/1_zwx dog/1.png" in expected
    twins = list(_killed_twins(dogs))
    for twin in twins[::2]:
        twin.run()
        _check(twin, expected, folders)
    mask.unlink()
    for twin in twins[1::2]:
        twin.run()
        _check(twin, before, plain)
