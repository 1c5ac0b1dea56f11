"""Strategies for the contracts: records, environments and stages with options of every kind."""

from __future__ import annotations

import contextlib
import types
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

from hypothesis import strategies as st
from pydantic import ValidationError

from curate.core import registry
from curate.core.record import CaptionStyle, Image, Record
from curate.core.scores import Scores
from curate.core.stage import Concept, Env, RecordStage, Stage
from curate.images import PICTURE_FILES

# real relations among them, so that rules find something to do
TAGS = (
    "dog",
    "canine",
    "german_shepherd",
    "1girl",
    "solo",
    "hat",
    "red_hat",
    "white_background",
    "simple_background",
    "^_^",
    "été",
)
TRIGGERS = ("zwx dog", "blue robe", "dog")
SCREENED = ("aged_down", "rating:explicit")
"""Together they have a picture set aside."""
SENTENCES = ("", "A dog sits in a park.", "a red hat, a dog")

STAGES = registry.stage_names()

FIXED: dict[str, dict[str, Any]] = {"tag": {"tagger": ("palette",)}}
"""Options that name what must be on this machine."""


def records() -> st.SearchStrategy[Record]:
    """Records as they stand before the caption stages, with a picture that nobody opens."""
    tags = st.lists(st.sampled_from((*TAGS, *TRIGGERS, *SCREENED)), unique=True, min_size=2, max_size=10).map(tuple)
    score = st.tuples(st.floats(0, 1).map(lambda s: round(s, 4)), st.sampled_from(("general", "character", "rating")))
    models = st.dictionaries(
        st.sampled_from(("palette", "other")),
        st.dictionaries(st.sampled_from((*TAGS, *SCREENED)), score, max_size=6),
        max_size=2,
    )
    return st.builds(
        Record,
        key=st.sampled_from(("dog/a.png", "dog/b.png", "robe/c.png")),
        concept=st.sampled_from(("dog", "robe")),
        origin=st.sampled_from(("o1", "o2")),
        image=st.builds(
            Image, st.sampled_from(("d1", "d2")), st.just("objects/x.png"), st.integers(1, 900), st.integers(1, 900)
        ),
        encoding=st.sampled_from(("png", "jpeg:90")),
        facts=st.dictionaries(st.sampled_from(("had_alpha", "format")), st.sampled_from((True, "PNG")), max_size=2),
        trigger=st.lists(st.sampled_from(TRIGGERS), unique=True, max_size=2).map(tuple),
        scores=st.builds(Scores.pack, models),
        tags=tags,
        sentence=st.sampled_from(SENTENCES),
        imported=st.sampled_from((None, "dog, hat", "A dog sits in a park.", "zwx dog, solo", ", ".join(SCREENED))),
        edited=st.none() | st.just("by hand"),
        style=st.sampled_from((CaptionStyle(), CaptionStyle(escape=True, underscores="keep"))),
        repeats=st.integers(1, 5),
        notes=st.lists(st.sampled_from(("an old note", "another")), unique=True, max_size=2).map(tuple),
    )


def concepts() -> st.SearchStrategy[dict[str, Concept]]:
    """What a user may say about the concepts."""
    words = st.lists(st.sampled_from(TAGS), unique=True, max_size=6).map(tuple)
    said = st.builds(
        Concept,
        trigger=st.just(()),
        kind=st.sampled_from(("object", "style")),
        absorb=words,
        weight=st.sampled_from((0.5, 1.0)),
    )
    return st.fixed_dictionaries({"dog": said, "robe": said})


def env(folder: Path, said: Mapping[str, Concept] | None = None) -> Env:
    """An environment on an empty folder."""
    return Env(folder, folder / "out", PICTURE_FILES, device="cpu", offline=True, concepts=dict(said or {}))


def drawn_stage(name: str, data: st.DataObject) -> Stage:
    """A stage with some options drawn at random and the others at their defaults; conflicts are left out."""
    kind = registry.stage(name)
    made = kind(**FIXED.get(name, {}))
    for option, info in kind.model_fields.items():
        values = _values(info.annotation)
        if values is None or option in FIXED.get(name, {}) or not data.draw(st.booleans(), label=f"set {option}"):
            continue
        given = {f: getattr(made, f) for f in made.model_fields_set} | {option: data.draw(values, label=option)}
        with contextlib.suppress(ValidationError):
            made = kind(**given)
    return made


def literals(annotation: Any) -> list[Any]:
    """All values that a type made of literals lists."""
    if get_origin(annotation) is Literal:
        return list(get_args(annotation))
    return [value for inner in get_args(annotation) for value in literals(inner)]


def _values(annotation: Any) -> st.SearchStrategy[Any] | None:
    """Values for an option of that type, None where only the stage itself knows which are right."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin in (Union, types.UnionType):
        found = [v for v in map(_values, inner) if v is not None]
        return st.one_of(found) if found else None
    if annotation is type(None):
        return st.none()
    if annotation is bool:
        return st.booleans()
    if annotation is int:
        return st.integers(0, 5)
    if annotation is float:
        return st.floats(0, 1)
    if origin is Literal:
        return st.sampled_from(inner)
    if origin is tuple and inner and inner[0] is str:
        return st.lists(st.sampled_from((*TAGS, "*_background")), unique=True, max_size=3).map(tuple)
    if origin is dict and inner[0] is str and get_origin(inner[1]) is tuple:
        return st.dictionaries(
            st.sampled_from(TAGS), st.lists(st.sampled_from(TAGS), min_size=1, max_size=2).map(tuple), max_size=2
        )
    return None


def caption_kinds() -> list[str]:
    """Names of the stages one of whose steps works on captions alone: no picture, no model."""
    return [name for name in STAGES if light(registry.stage(name)())]


def light(stage: Stage) -> list[RecordStage]:
    """The steps of a stage that run in microseconds in the driver."""
    return [
        p
        for p in stage.parts()
        if isinstance(p, RecordStage) and p.requirements().cpus == 0 and p.requirements().gpus == 0
    ]
