"""Figures: separate subjects on a flat background, as on a reference sheet."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from curate.core.stage import Pixels
from curate.images.analysis.boxes import Box
from curate.images.analysis.metrics import border_colour

WORK = 768
"""Longest side at which figures are told apart."""


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
