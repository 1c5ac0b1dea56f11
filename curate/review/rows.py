"""Rows: what the page knows of each picture, as JSON-able values."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, cast

from curate import captions
from curate.captioned import Captioned
from curate.core.record import Record
from curate.core.transform import Transform
from curate.core.user_changes import MOVED_FROM, TRANSFORMED
from curate.review.entry import Entry, legible_id
from curate.review.ledger import Content, Wanted
from curate.review.measures import Measures
from curate.review.snapshot import Stamp

_Scores = Mapping[str, Mapping[str, tuple[float, str]]]
_CLOSE = 0.1
"""A score by so little above its threshold is worth a look."""


class TagTable:
    """Every tag that was ever sent, by number; it only grows, so that the page's numbers stay right.

    `texts` are the tags as the first caption that had them writes them: mostly with spaces.
    """

    def __init__(self) -> None:
        self.names: list[str] = []
        self.texts: list[str] = []
        self._numbers: dict[str, int] = {}

    def number(self, tag: str, record: Record) -> int:
        """The tag's place in `names`; `record` is of a picture that has it."""
        number = self._numbers.get(tag)
        if number is None:
            number = self._numbers[tag] = len(self.names)
            self.names.append(tag)
            self.texts.append(captions.shown(tag, record.trigger, record.style))
        return number

    def numbers(self, tags: Sequence[str], record: Record) -> list[int]:
        """The places of several tags."""
        numbers = list(map(self._numbers.get, tags))
        if None in numbers:
            return [self.number(tag, record) for tag in tags]
        return cast("list[int]", numbers)

    def text(self, tag: str) -> str | None:
        """The tag as a caption of the folder writes it, None where none has it."""
        number = self._numbers.get(tag)
        return None if number is None else self.texts[number]


def version(stamp: Stamp) -> str:
    """What a picture's address carries, so that a browser asks again once the file is another."""
    return hashlib.blake2b(f"{stamp[0]} {stamp[1]}".encode(), digest_size=6).hexdigest()


def caption_row(one: Captioned, table: TagTable) -> dict[str, Any]:
    """What a row says of the caption."""
    scores = one.record.scores.unpack()
    known = _best(scores)
    tags = one.tags
    scored = [(tag, *known[tag]) for tag in tags if tag in known] if known else []
    limits = thresholds(tuple(scores) if scored else ())
    return {
        "tags": table.numbers(tags, one.record),
        "sentence": one.record.sentence,
        "rating": _rating(scores),
        "edited": one.edited,
        "low": [table.number(tag, one.record) for tag, score, kind in scored if score < limits(kind) + _CLOSE],
        "score": round(sum(score for _, score, _ in scored) / len(scored), 4) if scored else None,
    }


def measured_row(measures: Measures | None, record: Record | None) -> dict[str, Any]:
    """What a row says of the pixels; null where nobody has measured them yet."""
    if measures is not None:
        return {"width": measures.width, "height": measures.height, "sharpness": measures.sharpness}
    known = record is not None and record.image.width > 0
    width, height = (record.image.width, record.image.height) if record is not None and known else (None, None)
    return {"width": width, "height": height, "sharpness": None}


def instructions_row(wanted: Wanted, record: Record | None) -> dict[str, Any]:
    """What a row says of a crop, a turn, a mirror and another concept that the person asked for.

    `transform` is meant of the source; it is there too, doing nothing, where an earlier one is still to be undone.
    """
    done = dict(record.facts.get(TRANSFORMED, {})) if record is not None else {}
    done.pop("part", None)
    shown = wanted.transform is not None or done
    plain = (wanted.transform or Transform()).to_plain() if shown else None
    concept = wanted.concept or (record.facts.get(MOVED_FROM) if record is not None else None)
    moves = record is not None and concept not in (None, record.concept)
    return {
        "transform": plain,
        "transform_done": bool(shown) and plain == (done or Transform().to_plain()),
        "concept_next": concept if moves else None,
    }


def source_name(entry: Entry, content: Content) -> str | None:
    """The name of the file that the picture was made of, None where the picture itself has it."""
    if entry.aside is not None:
        name = os.path.basename(entry.aside.source) or entry.key.rpartition("/")[2]  # noqa: PTH119 – of many thousands
    else:
        # the records of pictures that curate wrote have an origin, others have none
        made_of = entry.caption.record if entry.caption is not None else content.known.rows.get(entry.id)
        source = content.source(made_of.origin, made_of.key) if made_of is not None and made_of.origin else ""
        name = os.path.basename(source or entry.file)  # noqa: PTH119
    name = legible_id(name)
    return name if name != entry.id.rpartition("/")[2] else None


def best_scores(record: Record) -> dict[str, tuple[float, str]]:
    """Of each tag the highest score that a tagger gave it, and its category."""
    return _best(record.scores.unpack())


def _best(by_model: _Scores) -> dict[str, tuple[float, str]]:
    best: dict[str, tuple[float, str]] = {}
    for scores in by_model.values():
        for tag, (score, category) in scores.items():
            if tag not in best or best[tag][0] < score:
                best[tag] = (score, category)
    return best


def _rating(by_model: _Scores) -> str | None:
    """The rating that scores highest by the first tagger that rates; None where none does."""
    for scores in by_model.values():
        rated = {tag: score for tag, (score, category) in scores.items() if category == "rating"}
        if rated:
            return max(sorted(rated), key=lambda tag: rated[tag])
    return None


@cache
def thresholds(models: tuple[str, ...]) -> Limits:
    """The thresholds by category of the taggers that scored a picture; the lowest where they differ."""
    import taggers
    from taggers.errors import TaggerError

    limits: dict[str, float] = {}
    for name in models:
        if name in taggers.names():
            try:
                own: Mapping[str, float] = taggers.thresholds(name, offline=True)
            except TaggerError:
                continue
            limits = {c: min(limits.get(c, 1.0), own.get(c, 1.0)) for c in {*limits, *own}}
    return Limits(limits)


class Limits:
    """Thresholds by category; a category without one has the general tags'."""

    def __init__(self, limits: Mapping[str, float]) -> None:
        self._limits = limits

    def __call__(self, category: str) -> float:
        """The threshold of a category; 0.35, as of most taggers, where nobody knows."""
        return self._limits.get(category, self._limits.get("general", 0.35))
