"""The server killed, as by kill -9, at some 60 moments of a script of edits: no caption is torn or lost."""

from __future__ import annotations

import dataclasses
import itertools
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from curate.review.edits import EditRequest
from curate.review.picture_changes import ConceptRequest, PicturesRequest, TransformRequest
from curate.review.server import Review
from tests.folder.helpers import Project, killed

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork to die in the middle of an edit")

STEP = 3
"""Every so many changes of a directory one is the last; the script makes more than 150."""
A, B, C, CAT = "1_zwx dog/0.png", "1_zwx dog/1.png", "1_zwx dog/2.png", "1_cat/ä b.png"
WORDS = "zwx dog, my own words"


def script(review: Review) -> Iterator[Callable[[], object]]:
    """Everything that a person can do, one after the other."""
    edit, pictures = review.changes.edit, review.picture_changes

    def change(ids: list[str], operation: str, *tags: str, text: str = "") -> Callable[[], object]:
        values = {"ids": ids, "operation": operation, "tags": list(tags), "text": text}
        return lambda: edit(EditRequest.model_validate(values))

    yield change([A], "text", text=WORDS)
    yield change([A, B, C, CAT], "add", "moon")
    yield change([A, B, C, CAT], "remove", "moon")
    yield lambda: pictures.transform(TransformRequest(id=B, crop=None, rotate=90, flip=False))
    yield lambda: pictures.aside(PicturesRequest(ids=[A]))
    yield lambda: pictures.restore(PicturesRequest(ids=["aside:dog/0.png"]))
    yield lambda: pictures.concept(ConceptRequest(ids=[C], concept="cat"))
    yield review.changes.undo
    yield review.changes.undo
    yield review.changes.undo
    yield change([B, C], "add", "sun")
    yield review.changes.undo


@pytest.fixture(scope="module")
def states(prepared: Project, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, str]]:
    """The captions before the first step, and after each."""
    project = copied(prepared, tmp_path_factory.mktemp("states") / "dogs")
    review = opened(project)
    found = [project.captions()]
    for step in script(review):
        step()
        found.append(project.captions())
    review.index.close()
    return found


def copied(project: Project, place: Path) -> Project:
    shutil.copytree(project.place, place)
    return dataclasses.replace(project, place=place)


def opened(project: Project) -> Review:
    review = Review(project.out)
    review.index.refresh()
    return review


@pytest.mark.parametrize("part", range(2))
def test_no_caption_is_torn_or_lost(prepared: Project, states: list[dict[str, str]], tmp_path: Path, part: int) -> None:
    for after in range(STEP * part, 1000, 2 * STEP):
        project = copied(prepared, tmp_path / str(after))

        def work(project: Project = project) -> None:
            review = opened(project)
            for step in script(review):
                step()

        if not killed(work, after):
            break
        check(project, states)
        shutil.rmtree(project.place)
    assert 150 < after < 900


def check(project: Project, states: list[dict[str, str]]) -> None:
    """What the kill left is between two steps, and a run loses none of it."""
    # what `write_atomic` had begun is no caption, and gone after the run
    captions = {path: text for path, text in project.captions().items() if "/.curate-" not in path}
    assert any(lies_between(captions, old, new) for old, new in itertools.pairwise(states)), captions
    begun = WORDS in captions.get("1_zwx dog/0.txt", "") or captions.keys() != states[0].keys()
    review = opened(project)
    seen = {entry.id: entry.caption.raw for entry in review.index.entries.values() if entry.caption is not None}
    review.index.close()
    # of a picture that a kill left half set aside, the caption may still be there
    half = {} if A in seen else {"1_zwx dog/0.txt": captions.get("1_zwx dog/0.txt")}
    assert half | {id.replace(".png", ".txt"): text for id, text in seen.items() if text} == half | captions
    project.run()
    after = project.captions()
    assert not any("/.curate-" in path for path in project.files())
    assert not (project.out / ".curate/replaced").exists()
    assert all(text in after.values() for text in captions.values()), (captions, after)
    if begun and WORDS not in "".join(after.values()):
        project.restore = ["*"]
        project.run()
        assert WORDS in "".join(project.captions().values())
        project.restore = []


def lies_between(now: dict[str, str], old: dict[str, str], new: dict[str, str]) -> bool:
    """Whether each caption is as before a step or as after it."""
    return all(now.get(path) in (old.get(path), new.get(path)) for path in now.keys() | old.keys() | new.keys())
