"""Measures: what is known of the pixels of each picture file, at 40 bytes a file."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from curate.review.snapshot import Stamp

_TABLE = np.dtype(
    [("file", "i8"), ("time", "i8"), ("size", "i8"), ("width", "i4"), ("height", "i4"), ("sharpness", "f8")]
)


@dataclass(frozen=True, slots=True)
class Measures:
    """What is known of a picture file: pixels when upright, and the sharpness that `metrics.sharpness` measures."""

    stamp: Stamp
    width: int
    height: int
    sharpness: float


class MeasuresTable:
    """The measures of files by absolute path."""

    def __init__(self) -> None:
        self._rows = np.empty(0, _TABLE)
        self._files = array("q")

    def add(self, measures: Iterable[tuple[str, Measures]]) -> None:
        """Takes up measures; later ones of a file count."""
        new = np.array(
            [(hash(file), *one.stamp, one.width, one.height, one.sharpness) for file, one in measures], _TABLE
        )
        every = np.concatenate([self._rows, new])[::-1]
        _, first = np.unique(every["file"], return_index=True)
        self._rows = every[first]
        self._files = array("q", self._rows["file"].tobytes())

    def get(self, file: str, stamp: Stamp) -> Measures | None:
        """The measures of a file in that state, None without any."""
        value = hash(file)
        at = bisect_left(self._files, value)
        if at == len(self._files):
            return None
        name, time, size, width, height, sharpness = self._rows[at].item()
        return Measures(stamp, width, height, sharpness) if (name, time, size) == (value, *stamp) else None

    def known(self, files: NDArray[np.int64], times: NDArray[np.int64], sizes: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Of which files, by their hashes and states, there are measures."""
        if not len(self._rows):
            return np.zeros(len(files), np.bool_)
        rows = self._rows[np.minimum(np.searchsorted(self._rows["file"], files), len(self._rows) - 1)]
        return (rows["file"] == files) & (rows["time"] == times) & (rows["size"] == sizes)
