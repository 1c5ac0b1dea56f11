"""Boxes: parts of a picture, and the one that holds most of what is drawn in it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple, Self

import numpy as np

from curate.core.stage import Pixels


class Box(NamedTuple):
    """Pixels from left and top up to, not including, right and bottom."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def width(self) -> int:
        """Columns, 0 where there are none."""
        return max(0, self.right - self.left)

    @property
    def height(self) -> int:
        """Rows, 0 where there are none."""
        return max(0, self.bottom - self.top)

    def grown(self, by: float, within: Box) -> Self:
        """Larger by so many pixels on each side, inside `within`."""
        n = round(by)
        return type(self)(
            max(within.left, self.left - n),
            max(within.top, self.top - n),
            min(within.right, self.right + n),
            min(within.bottom, self.bottom + n),
        )

    def of(self, pixels: Pixels) -> Pixels:
        """That part of a picture."""
        return np.ascontiguousarray(pixels[self.top : self.bottom, self.left : self.right])


def whole(pixels: Pixels) -> Box:
    """The box of a whole picture."""
    return Box(0, 0, pixels.shape[1], pixels.shape[0])


def around(boxes: Sequence[Box]) -> Box:
    """The smallest box around all of them; there must be one."""
    left, top, right, bottom = zip(*boxes, strict=True)
    return Box(min(left), min(top), max(right), max(bottom))


def busiest(pixels: Pixels, box: Box, ratio: float) -> Box:
    """The part of `box` with sides of at most `ratio` to 1 that holds most of its edges; ties go to the middle."""
    import cv2

    long, short = max(box.width, box.height), min(box.width, box.height)
    length = math.floor(short * ratio)
    if long <= length:
        return box
    luma = cv2.cvtColor(box.of(pixels), cv2.COLOR_RGB2GRAY).astype(np.float32)
    edges = np.abs(cv2.Sobel(luma, cv2.CV_32F, 1, 0)) + np.abs(cv2.Sobel(luma, cv2.CV_32F, 0, 1))
    wide = box.width > box.height
    total = np.concatenate([[0.0], np.cumsum(edges.sum(axis=0 if wide else 1), dtype=np.float64)])
    held = total[length:] - total[:-length]
    best = np.flatnonzero(held >= held.max() * 0.999)
    start = int(best[np.abs(best - (long - length) / 2).argmin()])
    if wide:
        return Box(box.left + start, box.top, box.left + start + length, box.bottom)
    return Box(box.left, box.top + start, box.right, box.top + start + length)
