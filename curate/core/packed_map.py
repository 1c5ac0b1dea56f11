"""Packed map: texts by name in little memory, for a million names."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping

from curate.core.packed import Packed


class PackedMap(Mapping[str, str]):
    """Texts by name, in the order in which they were given; where a name is given twice, the last text counts.

    Names and texts are packed, and 12 bytes each are beside them. Whoever asks for names nearly in that order does not
    wait; another order unpacks a block of names for each.
    """

    def __init__(self, pairs: Iterable[tuple[str, str]] = ()) -> None:
        import numpy as np

        self._pairs: Packed[tuple[str, str]] = Packed(pairs)
        hashes = np.fromiter((hash(name) for name, _ in self._pairs), np.int64, len(self._pairs))
        order = np.argsort(hashes, kind="stable")
        self._hashes = array("q", hashes[order].tobytes())
        self._places = array("I", order.astype(np.uintc).tobytes())
        alike = np.flatnonzero(np.diff(hashes[order]) == 0)
        self._replaced = {self._places[n] for n in alike.tolist() if self._has_later(n)}

    def _has_later(self, number: int) -> bool:
        """Whether the name in that place of the hashes is given once more."""
        name = self._pairs[self._places[number]][0]
        return any(self._pairs[place][0] == name for place in self._same_hash(name) if place > self._places[number])

    def _same_hash(self, name: str) -> array[int]:
        wanted = hash(name)
        start = bisect_left(self._hashes, wanted)
        return self._places[start : bisect_right(self._hashes, wanted, start)]

    def __getitem__(self, name: str) -> str:
        for place in reversed(self._same_hash(name)):
            own, text = self._pairs[place]
            if own == name:
                return text
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return (name for number, (name, _) in enumerate(self._pairs) if number not in self._replaced)

    def __len__(self) -> int:
        return len(self._pairs) - len(self._replaced)
