"""Finds pictures that may be the same as others, from their hashes alone; there may be a million."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from curate.images.duplicates.pairs import Indexes, Pairs, PairSet, ranges
from curate.images.duplicates.perceptual_hash import CROPS, Hashes, near_pairs

# pairs of hashes up to which parts are searched exhaustively at every distance
_EXHAUSTIVE = 1 << 31
# of more pictures with one and the same hash, each is compared with so many
_CROWD = 8
# pictures whose parts are searched together; a million at once would take 5 GB
_TOGETHER = 1 << 14


def candidates(whole: Hashes, parts: Iterable[tuple[int, Hashes]], distance: int) -> Pairs:
    """Index pairs (low, high) of pictures whose hashes, or the hash of one and that of a part of the other, are near.

    Complete for wholes. For parts it is complete up to 7 bits in sets above some 4,000 pictures, where most pairs at
    8 to 11 bits are found besides, and complete altogether below. Of many pictures with the very same hash, each is
    paired with the first few only. `parts` are the hashes of parts with the index of their picture; it is gone through
    once, so that they need not be in memory.
    """
    values, place = np.unique(whole, return_inverse=True)
    owners = _Owners(place, len(values))
    found = PairSet(len(whole))
    owners.pair_within(found)
    for i, j in near_pairs(values, values, distance):
        owners.pair_across(i[i < j], j[i < j], found)
    flips = None if len(values) * len(whole) * len(CROPS) <= _EXHAUSTIVE else 1
    some: list[tuple[int, Hashes]] = []
    for one in parts:
        some.append(one)
        if len(some) == _TOGETHER:
            _pair_parts(values, owners, some, distance, flips, found)
            some = []
    _pair_parts(values, owners, some, distance, flips, found)
    return found.sorted()


def _pair_parts(
    values: Hashes,
    owners: _Owners,
    parts: Sequence[tuple[int, Hashes]],
    distance: int,
    flips: int | None,
    found: PairSet,
) -> None:
    if not parts:
        return
    theirs = np.repeat([owner for owner, _ in parts], [len(own) for _, own in parts])
    for i, j in near_pairs(values, np.concatenate([own for _, own in parts]), distance, flips):
        for which, members in owners.first_few(i):
            found.add(members, theirs[j[which]])


class _Owners:
    """The pictures that have each of the values, one value after another."""

    def __init__(self, place: Indexes, count: int) -> None:
        self._flat = np.argsort(place, kind="stable")
        self._starts = np.searchsorted(place[self._flat], np.arange(count + 1))
        self._sizes = np.diff(self._starts)

    def first_few(self, values: Indexes) -> Iterable[tuple[NDArray[np.int64], Indexes]]:
        """The first picture of each value, then the second of those that have one, and so on up to a few.

        Which of the values have one, by their place in `values`, and the pictures.
        """
        for n in range(_CROWD):
            which = np.flatnonzero(self._sizes[values] > n)
            if not len(which):
                return
            yield which, self._flat[self._starts[values[which]] + n]

    def pair_within(self, found: PairSet) -> None:
        """The first few pictures of each value, each with all of that value."""
        shared = np.flatnonzero(self._sizes > 1)
        for which, members in self.first_few(shared):
            groups = shared[which]
            others = self._flat[ranges(self._starts[groups], self._sizes[groups])]
            found.add(np.repeat(members, self._sizes[groups]), others)

    def pair_across(self, some: Indexes, others: Indexes, found: PairSet) -> None:
        """The first few pictures of each value with the first few of another."""
        for which, members in self.first_few(some):
            for that, theirs in self.first_few(others[which]):
                found.add(members[that], theirs)
