"""Compared: the columns by which pictures are searched for equal and near ones, in order of name."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from curate.core.record import FINGERPRINT, Record
from curate.images.duplicates.keeper import by_name
from curate.images.duplicates.pairs import Indexes, Pairs
from curate.images.duplicates.perceptual_hash import Hashes

_DIGEST = np.dtype([("a", "<u8"), ("b", "<u8"), ("c", "<u4")])
"""The 20 bytes that name the pixels, as numbers that sort fast."""


@dataclass(frozen=True)
class Compared:
    """Pictures in order of name: some 150 bytes each while they are read, 60 then.

    numbers   where each stands in the manifest
    pixels    what names its pixels
    whole     its hash, 0 where it has none
    concepts  n×2: the number of its concept, and of the one that it was moved from, else of the same
    """

    numbers: Indexes
    pixels: NDArray[np.void]
    whole: Hashes
    concepts: NDArray[np.int64]

    def __getitem__(self, some: Indexes) -> Compared:
        """Some of them, by index."""
        return Compared(self.numbers[some], self.pixels[some], self.whole[some], self.concepts[some])

    def first_equal(self) -> Indexes:
        """For each the index of the first one with the same pixels that shares a concept with it, maybe its own."""
        first = np.arange(len(self.numbers))
        order = np.lexsort([self.pixels[name] for name in ("c", "b", "a")])
        own = self.pixels[order]
        starts = np.flatnonzero(np.append(True, own[1:] != own[:-1]))
        sizes = np.diff(np.append(starts, len(own)))
        for start, size in zip(starts[sizes > 1].tolist(), sizes[sizes > 1].tolist(), strict=True):
            self._of_group(order[start : start + size].tolist(), first)
        return first

    def _of_group(self, group: Sequence[int], first: Indexes) -> None:
        """Notes the first ones among pictures with the same pixels."""
        by_concept: dict[int, int] = {}
        for index in group:
            concepts = self.concepts[index].tolist()
            same = next((by_concept[c] for c in concepts if c in by_concept), index)
            for concept in concepts:
                by_concept.setdefault(concept, same)
            first[index] = same

    def in_one_concept(self, pairs: Pairs) -> Pairs:
        """Those of the pairs of which both are, or were, in one concept."""
        low, high = self.concepts[pairs[:, 0]], self.concepts[pairs[:, 1]]
        return pairs[(low[:, :, None] == high[:, None, :]).any(axis=(1, 2))]


def read(records: Iterable[tuple[int, Record, Sequence[str]]]) -> Compared:
    """The columns of records, each with its number and one or two concepts."""
    names: list[bytes] = []
    numbers, whole, concepts = array("q"), array("Q"), array("q")
    pixels, known = bytearray(), dict[str, int]()
    for number, record, places in records:
        print_ = record.facts[FINGERPRINT]
        names.append(_sortable(record, len(names)))
        numbers.append(number)
        pixels += bytes.fromhex(print_["pixels"])
        whole.append(int(print_.get("whole", "0"), 16))
        concepts.extend(known.setdefault(place, len(known)) for place in (places[0], places[-1]))
    names.sort()
    order = np.frombuffer(b"".join(name[-4:] for name in names), ">u4").astype(np.int64)
    return Compared(
        np.array(numbers, np.int64),
        np.frombuffer(bytes(pixels), _DIGEST),
        np.array(whole, np.uint64),
        np.array(concepts, np.int64).reshape(-1, 2),
    )[order]


def _sortable(record: Record, index: int) -> bytes:
    """Bytes that sort as `by_name`, and end with the index in 4 bytes: a fifth of the tuple's memory."""
    is_copy, length, key = by_name(record)
    return b"%c%b%b\0%b" % (is_copy, length.to_bytes(4, "big"), key.encode("utf-8", "surrogatepass"), index.to_bytes(4))
