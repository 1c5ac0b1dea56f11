"""Tag pairs: which tags stand together on the pictures of a concept, and which never stand alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np

from curate.core.record import Record
from curate.report.health import frequencies, tags_of

_COUNTED = 300
"""The most frequent tags that are paired; a pair of rarer ones says nothing."""
_ROWS = 4000
"""Pictures that are paired at a time: all of a million would need a gigabyte."""
_FEWEST = 3
"""Pictures that a pair stands on, at least, to be worth a word."""


@dataclass(frozen=True, slots=True)
class TagPair:
    """Two tags: on how many pictures both stand, and the share of those with either that have both, 0 to 1."""

    first: str
    second: str
    pictures: int
    share: float


@dataclass(frozen=True, slots=True)
class TagPairs:
    """The tags of a concept by falling frequency, how many pictures have each two of them, and the closest pairs.

    `counts[i][j]` are the pictures with tags i and j, `counts[i][i]` those with tag i.
    """

    tags: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]
    closest: tuple[TagPair, ...]


def tag_pairs(records: Sequence[Record], shown: int = 12, most: int = 20) -> TagPairs:
    """The `shown` most frequent tags in a square, and the `most` closest pairs of all frequent tags.

    Tags on every picture are left out of the pairs: they stand beside everything.
    """
    counted = [(tag, count) for tag, count in frequencies(records) if count > 1][:_COUNTED]
    names = [tag for tag, _ in counted]
    places = {tag: number for number, tag in enumerate(names)}
    together = np.zeros((len(names), len(names)), int)
    for some in _in_parts(records):
        present = np.zeros((len(some), len(names)), np.float32)
        for row, record in enumerate(some):
            present[row, [places[tag] for tag in set(tags_of(record)) if tag in places]] = 1
        together += (present.T @ present).astype(int)
    size = min(shown, len(names))
    square = tuple(tuple(int(value) for value in row[:size]) for row in together[:size])
    return TagPairs(tuple(names[:size]), square, tuple(_closest(names, together, len(records), most)))


def _closest(names: Sequence[str], together: np.ndarray, pictures: int, most: int) -> list[TagPair]:
    alone = np.diagonal(together)
    either = alone[:, None] + alone[None, :] - together
    first, second = np.nonzero(np.triu(together >= _FEWEST, 1) & (alone < pictures)[:, None] & (alone < pictures))
    pairs = [
        TagPair(names[i], names[j], int(together[i, j]), float(together[i, j] / either[i, j]))
        for i, j in zip(first.tolist(), second.tolist(), strict=True)
    ]
    return sorted(pairs, key=lambda pair: (-pair.share, -pair.pictures, pair.first, pair.second))[:most]


def _in_parts(records: Sequence[Record]) -> Iterator[list[Record]]:
    each = iter(records)
    while some := list(islice(each, _ROWS)):
        yield some
