"""Finds pictures that may be the same as others, from their hashes alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from curate.images.duplicates.perceptual_hash import CROPS, Hashes, near_pairs

# pairs of hashes up to which parts are searched exhaustively at every distance
_EXHAUSTIVE = 1 << 31
# of more pictures with one and the same hash, each is compared with so many
_CROWD = 8
# pictures whose parts are searched together; a million at once would take 5 GB
_TOGETHER = 1 << 14

Pairs = set[tuple[int, int]]


def candidates(whole: Hashes, parts: Iterable[tuple[int, Hashes]], distance: int) -> Pairs:
    """Index pairs (low, high) of pictures whose hashes, or the hash of one and that of a part of the other, are near.

    Complete for wholes. For parts it is complete up to 7 bits in sets above some 4,000 pictures, where most pairs at
    8 to 11 bits are found besides, and complete altogether below. Of many pictures with the very same hash, each is
    paired with the first few only. `parts` are the hashes of parts with the index of their picture; it is gone through
    once, so that they need not be in memory.
    """
    values, place = np.unique(whole, return_inverse=True)
    members = _grouped(place, len(values))
    found: Pairs = set()
    for group in members:
        found.update(_pairs(group[:_CROWD], group))
    for i, j in near_pairs(values, values, distance):
        for a, b in zip(i[i < j].tolist(), j[i < j].tolist(), strict=True):
            found.update(_pairs(members[a][:_CROWD], members[b][:_CROWD]))
    flips = None if len(values) * len(whole) * len(CROPS) <= _EXHAUSTIVE else 1
    some: list[tuple[int, Hashes]] = []
    for one in parts:
        some.append(one)
        if len(some) == _TOGETHER:
            found.update(_of_parts(values, members, some, distance, flips))
            some = []
    found.update(_of_parts(values, members, some, distance, flips))
    return found


def _of_parts(
    values: Hashes, members: list[list[int]], parts: Sequence[tuple[int, Hashes]], distance: int, flips: int | None
) -> Pairs:
    found: Pairs = set()
    if not parts:
        return found
    owners = np.repeat([owner for owner, _ in parts], [len(own) for _, own in parts])
    for i, j in near_pairs(values, np.concatenate([own for _, own in parts]), distance, flips):
        for a, owner in set(zip(i.tolist(), owners[j].tolist(), strict=True)):
            found.update(_pairs(members[a][:_CROWD], [owner]))
    return found


def _grouped(place: NDArray[np.int64], count: int) -> list[list[int]]:
    order = np.argsort(place, kind="stable")
    bounds = np.searchsorted(place[order], np.arange(count + 1))
    return [order[bounds[n] : bounds[n + 1]].tolist() for n in range(count)]


def _pairs(some: Sequence[int], others: Sequence[int]) -> Iterator[tuple[int, int]]:
    return ((min(a, b), max(a, b)) for a in some for b in others if a != b)
