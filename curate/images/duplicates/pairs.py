"""Pairs of pictures as arrays of their indexes: 8 bytes a pair while they are collected, 200 as Python objects."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Indexes = NDArray[np.int64]
Pairs = NDArray[np.int64]
"""Rows (low, high) of indexes, n×2."""

_LOOSE = 1 << 20


class PairSet:
    """Pairs of indexes below `count`, each once; added in any order, in either direction and more than once."""

    def __init__(self, count: int) -> None:
        self._count = max(count, 1)
        self._kept = np.zeros(0, np.int64)
        self._loose: list[NDArray[np.int64]] = []
        self._number = 0

    def add(self, some: Indexes, others: Indexes) -> None:
        """Adds pairs; an index with itself is none."""
        codes = np.minimum(some, others) * self._count + np.maximum(some, others)
        self._loose.append(codes[some != others])
        self._number += len(self._loose[-1])
        if self._number > max(_LOOSE, len(self._kept)):
            self._merge()

    def _merge(self) -> None:
        self._kept = np.unique(np.concatenate([self._kept, *self._loose]))
        self._loose, self._number = [], 0

    def sorted(self) -> Pairs:
        """All pairs in ascending order."""
        self._merge()
        return np.stack(np.divmod(self._kept, self._count), axis=1)


def ranges(starts: Indexes, counts: Indexes) -> Indexes:
    """The numbers from each start on, as many as its count says, one range after another."""
    before = np.cumsum(counts) - counts
    return np.arange(int(counts.sum())) + np.repeat(starts - before, counts)
