"""Rows: what the page knows of each picture, as JSON-able values."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from functools import cache
from typing import Any

from curate import captions
from curate.captioned import Captioned
from curate.core.record import Record
from curate.core.transform import Transform
from curate.core.user_changes import MOVED_FROM, TRANSFORMED
from curate.review.entry import Entry, legible_id
from curate.review.ledger import Content, Wanted
from curate.review.snapshot import Stamp
from curate.review.thumbnails import Measures

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

    def text(self, tag: str) -> str | None:
        """The tag as a caption of the folder writes it, None where none has it."""
        number = self._numbers.get(tag)
        return None if number is None else self.texts[number]


def version(stamp: Stamp) -> str:
    """What a picture's address carries, so that a browser asks again once the file is another."""
    return hashlib.blake2b(f"{stamp[0]} {stamp[1]}".encode(), digest_size=6).hexdigest()


def caption_row(one: Captioned, table: TagTable) -> dict[str, Any]:
    """What a row says of the caption."""
    known = best_scores(one.record)
    tags = one.tags
    numbers = [table.number(tag, one.record) for tag in tags]
    scored = [known[tag] for tag in tags if tag in known]
    limits = thresholds(tuple(one.record.scores.unpack()) if scored else ())
    low = [
        table.number(tag, one.record) for tag in tags if tag in known and known[tag][0] < limits(known[tag][1]) + _CLOSE
    ]
    return {
        "tags": numbers,
        "sentence": one.record.sentence,
        "rating": rating(one.record),
        "edited": one.edited,
        "low": low,
        "score": round(sum(score for score, _ in scored) / len(scored), 4) if scored else None,
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
        row = content.known.rows.get(entry.id)
        name = os.path.basename((row and content.source(row.origin, row.key)) or entry.file)  # noqa: PTH119
    name = legible_id(name)
    return name if name != entry.id.rpartition("/")[2] else None


def best_scores(record: Record) -> dict[str, tuple[float, str]]:
    """Of each tag the highest score that a tagger gave it, and its category."""
    best: dict[str, tuple[float, str]] = {}
    for scores in record.scores.unpack().values():
        for tag, (score, category) in scores.items():
            if tag not in best or best[tag][0] < score:
                best[tag] = (score, category)
    return best


def rating(record: Record) -> str | None:
    """The rating that scores highest by the first tagger that rates; None where none does."""
    for scores in record.scores.unpack().values():
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
