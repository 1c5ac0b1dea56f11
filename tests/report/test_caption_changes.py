"""A caption before and after: what came with the picture, what a tagger gave, what a person edited."""

from __future__ import annotations

from typing import Any

import pytest

from curate.core.record import Image, Record
from curate.core.scores import Scores
from curate.report.caption_changes import caption_change
from curate.report.sections.captions import change_marks


def record(**fields: Any) -> Record:
    return Record("dog/a.png", "dog", "o", Image("d"), trigger=("zwx dog",), **fields)


SCORES = Scores.pack({"wd": {"dog": (0.99, "general"), "red_collar": (0.8, "general"), "tree": (0.1, "general")}})


@pytest.mark.parametrize(
    ("made", "source", "removed", "added"),
    [
        (record(imported="a_cat, sitting", tags=("zwx dog", "sitting")), "original", ["a cat"], ["zwx dog"]),
        (
            record(
                scores=SCORES, tags=("zwx dog", "red_collar"), notes=("prune: dropped dog: german_shepherd implies it",)
            ),
            "tagger",
            ["dog"],
            ["zwx dog"],
        ),
        (
            record(
                scores=SCORES,
                tags=("zwx dog",),
                notes=("captions: removed red_collar, dog", "split: the tree is part 2"),
            ),
            "tagger",
            ["dog", "red collar"],
            ["zwx dog"],
        ),
        (
            record(imported="a cat", tags=("zwx dog", "sitting"), edited="zwx dog, standing, 犬"),
            "generated",
            ["sitting"],
            ["standing", "犬"],
        ),
        (
            record(imported="The dog is sitting in a park.", tags=("zwx dog",), sentence="The dog is in a park."),
            "original",
            ["The dog is sitting in a park."],
            ["zwx dog", "The dog is in a park."],
        ),
    ],
)
def test_what_went_and_what_came(made: Record, source: str, removed: list[str], added: list[str]) -> None:
    change = caption_change(made)
    assert change is not None
    assert (change.source, change.removed, change.added) == (source, removed, added)
    marks = change_marks(change, made.trigger)
    assert marks.count("<del>") == len(removed) and marks.count("<ins>") == len([t for t in added if t != "zwx dog"])


def test_without_anything_before_there_is_no_change() -> None:
    assert caption_change(record(tags=("zwx dog",))) is None
    same = caption_change(record(imported="zwx dog, red collar", tags=("zwx dog", "red_collar")))
    assert same is not None and not same.removed and not same.added and not change_marks(same, ())


def test_hostile_captions_stay_text() -> None:
    rows = change_marks(caption_change(record(imported="<img src=x>, \x1b[31m", tags=("</del><script>",))), ())
    assert "<img" not in rows and "<script" not in rows and "\x1b" not in rows
    assert "<del>&lt;img src=x&gt;</del>" in rows and "<ins>&lt;/del&gt;&lt;script&gt;</ins>" in rows
