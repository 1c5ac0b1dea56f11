"""Name numbers: the place of each name in a long sequence, at 12 bytes a name."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator

import numpy as np


class NameNumbers:
    """Names by place, found by their hashes of 64 bits: of a million names two have the same one once in 10⁷ times."""

    __slots__ = ("_places", "_sorted")

    def __init__(self, given: array[int] | None = None) -> None:
        """`given` are the hashes of the names, in order."""
        values = np.frombuffer(given, np.int64) if given else np.empty(0, np.int64)
        order = np.argsort(values, kind="stable")
        self._sorted = array("q", values[order].tobytes())
        self._places = array("i", order.astype(np.int32).tobytes())

    def get(self, name: str) -> int | None:
        """The last place that has the name, None without one."""
        value = hash(name)
        at = bisect_right(self._sorted, value) - 1
        return self._places[at] if at >= 0 and self._sorted[at] == value else None

    def all(self, name: str) -> Iterator[int]:
        """All places that have the name, in order."""
        value = hash(name)
        at = bisect_left(self._sorted, value)
        while at < len(self._sorted) and self._sorted[at] == value:
            yield self._places[at]
            at += 1
