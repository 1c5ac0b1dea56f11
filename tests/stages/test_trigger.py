"""The concept's class word in captions."""

from __future__ import annotations

from pathlib import Path

from curate.core.record import Image, Record
from curate.core.stage import Concept, Env
from curate.images import PICTURE_FILES
from curate.stages.trigger import Trigger


def triggered(stage: Trigger, tags: tuple[str, ...]) -> tuple[str, ...]:
    env = Env(Path(), Path(), PICTURE_FILES, concepts={"rex": Concept(trigger=("zwx dog",), class_word="dog")})
    record = Record("rex/a", "rex", "o", Image("d"), trigger=("zwx dog",), tags=tags)
    with stage.open(env) as work:
        return work([record])[0].tags


def test_the_class_word_follows_the_trigger_and_stands_once() -> None:
    tags = ("sitting", "dog", "collar")
    assert triggered(Trigger(), tags) == ("zwx dog", "sitting", "dog", "collar")
    assert triggered(Trigger(class_word=True), tags) == ("zwx dog", "dog", "sitting", "collar")
    assert triggered(Trigger(class_word=True, pin=("collar",)), tags) == ("zwx dog", "dog", "collar", "sitting")
