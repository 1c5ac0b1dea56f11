"""Packed: a long sequence of values in little memory, unpacked a few at a time as they are read."""

from __future__ import annotations

import pickle
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from curate.core.blocks import Blocks

T = TypeVar("T")

_BLOCK = 64
"""Values packed together: records of tiny pictures took 41 bytes each, of 800 as they are; a third less in blocks of
512, which take longer to read here and there."""
_OPEN = 8
"""Blocks that stay unpacked for who reads here and there: executors hand records back nearly in order."""


def compressed(value: Any) -> bytes:
    """Any value that pickles as few bytes."""
    return zlib.compress(pickle.dumps(value, pickle.HIGHEST_PROTOCOL), 1)


def decompressed(packed: bytes) -> Any:
    """The value again."""
    return pickle.loads(zlib.decompress(packed))


@dataclass(frozen=True)
class Packing(Generic[T]):
    """How values become bytes, and bytes the values again."""

    dumps: Callable[[Sequence[T]], bytes] = compressed
    loads: Callable[[bytes], list[T]] = decompressed


class Packed(Sequence[T], Generic[T]):
    """Values that pickle, in order; more can be appended. What is read is equal to what was given, not the same.

    The last values stay as they are until a block of them is full. Large sequences are kept on the disk in part. Only
    one thread may append or read by number; others may go through it meanwhile.
    """

    __slots__ = ("_blocks", "_open", "_packing", "_plain", "_room", "_tail")

    def __init__(self, values: Iterable[T] = (), packing: Packing[T] | None = None, plain: int = 0) -> None:
        """So many of the first values as `plain` says stay as they are; these are read as the objects given."""
        self._packing: Packing[T] = packing or Packing()
        self._plain: list[T] = []
        self._room = plain // _BLOCK * _BLOCK
        self._blocks = Blocks()
        self._tail: list[T] = []
        self._open: dict[int, list[T]] = {}
        for value in values:
            self.append(value)

    def append(self, value: T) -> None:
        """Adds a value at the end."""
        if len(self._plain) < self._room:
            self._plain.append(value)
            return
        self._tail.append(value)
        if len(self._tail) == _BLOCK:
            self._blocks.append(self._packing.dumps(self._tail))
            self._tail = []

    def replace(self, values: Mapping[int, T]) -> None:
        """Puts other values in the places of some, by number; each block of them is packed anew once."""
        blocks: dict[int, list[tuple[int, T]]] = {}
        first = len(self._plain)
        for place, value in values.items():
            if place < first:
                self._plain[place] = value
            else:
                blocks.setdefault((place - first) // _BLOCK, []).append(((place - first) % _BLOCK, value))
        for number, pairs in blocks.items():
            if number == len(self._blocks):
                block = self._tail
            else:  # one whose values are all replaced need not be unpacked
                block = [pairs[0][1]] * _BLOCK if len(pairs) == _BLOCK else list(self._block(number))
            for within, value in pairs:
                block[within] = value
            if number < len(self._blocks):
                self._blocks[number] = self._packing.dumps(block)
                self._open.pop(number, None)

    def blocks(self) -> Iterator[list[T]]:
        """The values in lists of some. Replacing some meanwhile is allowed, also by another thread."""
        for start in range(0, len(self._plain), _BLOCK):
            yield self._plain[start : start + _BLOCK]
        number = 0
        while number < len(self._blocks):  # there may come more meanwhile
            yield self._packing.loads(self._blocks[number])
            number += 1
        yield self._tail

    def __len__(self) -> int:
        return len(self._plain) + len(self._blocks) * _BLOCK + len(self._tail)

    def __iter__(self) -> Iterator[T]:
        for block in self.blocks():
            yield from block

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, int) and 0 <= index < len(self._plain):
            return self._plain[index]
        if isinstance(index, slice):
            return tuple(self[i] for i in range(*index.indices(len(self))))
        place = index + len(self) if index < 0 else index
        if not 0 <= place < len(self):
            raise IndexError(index)
        if place < len(self._plain):
            return self._plain[place]
        number, within = divmod(place - len(self._plain), _BLOCK)
        return self._tail[within] if number == len(self._blocks) else self._block(number)[within]

    def _block(self, number: int) -> list[T]:
        values = self._open.get(number)
        if values is None:
            values = self._open[number] = self._packing.loads(self._blocks[number])
        if len(self._open) > _OPEN:
            del self._open[next(iter(self._open))]
        return values
