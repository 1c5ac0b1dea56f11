"""Boxes in a picture: borders that can go, the part that holds the subject, figures apart on a flat ground."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from curate.core.stage import Pixels
from curate.images.analysis.metrics import border_colour

WORK = 768
"""Longest side at which figures are told apart."""


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


def trimmed(pixels: Pixels, tolerance: int, stray: float = 0.002) -> Box:
    """What is left inside borders of one colour, looked for on each side by itself.

    A row or column belongs to the border while all but a share `stray` of its pixels lie within `tolerance` of the
    median of the outermost one. A picture that is nothing but border is left whole.
    """
    height, width = pixels.shape[:2]
    top = _run(pixels, tolerance, stray)
    bottom = height - _run(pixels[::-1], tolerance, stray)
    if top >= bottom:
        return whole(pixels)
    middle = pixels[top:bottom].transpose(1, 0, 2)
    left, right = _run(middle, tolerance, stray), width - _run(middle[::-1], tolerance, stray)
    return Box(left, top, right, bottom) if left < right else whole(pixels)


def _run(lines: NDArray[np.uint8], tolerance: int, stray: float) -> int:
    colour = np.median(lines[0], axis=0).astype(np.int16)
    allowed = max(1, int(stray * lines.shape[1])) if lines.shape[1] > 50 else 0
    for n, line in enumerate(lines):
        if (np.abs(line.astype(np.int16) - colour).max(axis=1) > tolerance).sum() > allowed:
            return n
    return len(lines)


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


def figures(pixels: Pixels, tolerance: int, least: float) -> list[tuple[Box, NDArray[np.bool_]]]:
    """Figures that stand apart on a flat background, in reading order, each with its mask over the whole picture.

    Empty unless most of the border is of one colour and at least two figures are found. A figure reaches `least` of
    the height or width, and of the area, of the largest one; smaller things (labels, swatches) are no figures.
    """
    import cv2

    colour, share = border_colour(pixels)
    if share < 0.8:
        return []
    height, width = pixels.shape[:2]
    factor = min(1.0, WORK / max(height, width))
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    small = np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.int16)
    there = (np.abs(small - np.array(colour, np.int16)).max(axis=2) > tolerance).astype(np.uint8)
    gap = max(3, round(max(size) * 0.008)) | 1
    joined = cv2.morphologyEx(there, cv2.MORPH_CLOSE, np.ones((gap, gap), np.uint8))
    _, labels, stats, _ = cv2.connectedComponentsWithStats(joined, connectivity=8)
    boxes = {n: (int(s[0]), int(s[1]), int(s[2]), int(s[3]), int(s[4])) for n, s in enumerate(stats) if n}
    tallest, widest = (max((b[k] for b in boxes.values()), default=0) for k in (3, 2))
    area = max((b[4] for b in boxes.values()), default=0)
    if tallest < 0.25 * size[1]:
        return []
    chosen = [
        n for n, b in boxes.items() if (b[3] >= least * tallest or b[2] >= least * widest) and b[4] >= least**2 * area
    ]
    if len(chosen) < 2:
        return []
    found: list[tuple[Box, NDArray[np.bool_]]] = []
    for n in chosen:
        mask = cv2.resize((labels == n).astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST)
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        box = Box(int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)
        found.append((box, mask.astype(bool)))
    row = max(b.height for b, _ in found) / 2
    return sorted(found, key=lambda item: (int((item[0].top + item[0].height / 2) // row), item[0].left))
