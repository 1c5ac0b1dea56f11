"""Instructions in summaries and on the page: which pictures were changed as a person asked in the review page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from curate.core.counting import counted
from curate.core.record import Record
from curate.report.tally import Tally

_FACT = "transformed"
_TRANSFORMS = {"cropped": "crop", "rotated": "rotate", "flipped": "flip"}
"""What was done to a picture, by the value of the fact that says so."""


def figures(tally: Tally, records: Sequence[Record]) -> dict[str, list[str]]:
    """The keys of the pictures, by what was done to them."""
    done = {r.key: r.facts[_FACT] for r in records if _FACT in r.facts and not r.aside}
    found = {word: [key for key, one in done.items() if one.get(name)] for word, name in _TRANSFORMS.items()}
    found["moved to another concept"] = list(tally.moved)
    return {word: keys for word, keys in found.items() if keys}


def lines(figures: Mapping[str, Any]) -> list[tuple[str, list[str]]]:
    """What was done, in words, with the pictures; figures of an older run have none."""
    found: dict[str, list[str]] = figures.get("instructions", {})
    return [(f"{counted(len(keys), 'picture')} {word} as you asked", keys) for word, keys in found.items()]
