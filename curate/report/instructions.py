"""Instructions in summaries and on the page: which pictures were changed as a person asked in the review page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from curate.core.counting import counted
from curate.core.record import Record
from curate.core.user_changes import MOVED_FROM, TRANSFORMED

_TRANSFORMS = {"cropped": "crop", "rotated": "rotate", "flipped": "flip"}
"""What was done to a picture, by the value of the fact that says so."""
_MOVED = "moved to another concept"
_NOTHING: Mapping[str, Mapping[str, Any]] = {}


def carried_out(records: Iterable[Record], before: Mapping[str, Mapping[str, Any]] = _NOTHING) -> dict[str, list[str]]:
    """The keys of the pictures that are as a person asked, by what was done to them.

    Those are left out that were so already; `before` are the records, as plain values, of a folder until now.
    """
    found: dict[str, list[str]] = {}
    for record in records:
        if record.aside:
            continue
        old = before.get(record.key, {})
        done, known = record.facts.get(TRANSFORMED, {}), old.get("facts", {}).get(TRANSFORMED, {})
        words = [word for word, name in _TRANSFORMS.items() if done.get(name) and done[name] != known.get(name)]
        if MOVED_FROM in record.facts and old.get("concept") != record.concept:
            words.append(_MOVED)
        for word in words:
            found.setdefault(word, []).append(record.key)
    return {word: found[word] for word in (*_TRANSFORMS, _MOVED) if word in found}


def lines(pictures: Mapping[str, Sequence[str]]) -> list[tuple[str, list[str]]]:
    """What was done, in words, with the pictures."""
    return [(f"{counted(len(keys), 'picture')} {word} as you asked", list(keys)) for word, keys in pictures.items()]
