"""Compares the pictures of pairs whose hashes are near: at a small size first, then as large as they are."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from curate.core.record import Record
from curate.core.stage import Pixels
from curate.errors import PictureError
from curate.images.duplicates import alignment
from curate.images.duplicates.differences import differences
from curate.images.duplicates.likeness import Likeness, likeness, small

_SMALL = 8192  # small pictures kept, 50 KB each
_LARGE = 24  # pictures kept at the size for differences, up to 5 MB each
_SIDE = 2 * alignment.SIDE  # a part of half the side still has the pixels to be compared


class Limits(NamedTuple):
    """From when on two pictures are duplicates; see the options of the stage `dedupe`."""

    correlation: float
    difference: float
    smallest: float
    parts: bool
    variants: bool


class Comparison:
    """Tells of a pair of records how alike they are; None for no duplicates. Safe in several threads.

    `read` gives a record's picture. Small versions seen last are kept, up to 0.4 GB, and the latest few larger ones.
    """

    def __init__(self, read: Callable[[Record], Pixels], limits: Limits) -> None:
        self._pixels, self._limits = read, limits
        self._small: OrderedDict[str, Pixels | None] = OrderedDict()
        self._large: OrderedDict[str, Pixels | None] = OrderedDict()
        self._lock = threading.Lock()

    def __call__(self, pair: tuple[Record, Record]) -> Likeness | None:
        """How alike the two are."""
        sides = [self.preview(record) for record in pair]
        if sides[0] is None or sides[1] is None:
            return None
        found, limits = likeness(sides[0], sides[1], parts=self._limits.parts), self._limits
        if found.correlation < limits.correlation or found.difference > limits.difference:
            return None
        if found.share < limits.smallest:
            return None
        return found if limits.variants or not self._differ(pair, found) else None

    def _differ(self, pair: tuple[Record, Record], found: Likeness) -> bool:
        first, second = (self._larger(record) for record in pair)
        return first is None or second is None or bool(differences(first, second, found))

    def preview(self, record: Record) -> NDArray[np.uint8] | None:
        """The picture at a small size; None where it cannot be read."""
        return self._kept(self._small, _SMALL, record, small)

    def _larger(self, record: Record) -> Pixels | None:
        return self._kept(self._large, _LARGE, record, _bounded)

    def _kept(
        self, kept: OrderedDict[str, Pixels | None], most: int, record: Record, scale: Callable[[Pixels], Any]
    ) -> Pixels | None:
        """A picture at a size; the latest `most` are `kept`."""
        with self._lock:
            if record.key in kept:
                kept.move_to_end(record.key)
                return kept[record.key]
        pixels = self._read(record, scale)
        with self._lock:
            kept[record.key] = pixels
            while len(kept) > most:
                kept.popitem(last=False)
        return pixels

    def _read(self, record: Record, scale: Callable[[Pixels], Any]) -> Any:
        try:
            return scale(self._pixels(record))
        except PictureError:  # its file went since it was hashed: whoever reads it next says so
            return None


def _bounded(pixels: Pixels) -> Pixels:
    import cv2

    factor = _SIDE / max(pixels.shape[:2])
    if factor >= 1:
        return pixels
    size = (max(1, round(pixels.shape[1] * factor)), max(1, round(pixels.shape[0] * factor)))
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)
