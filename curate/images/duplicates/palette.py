"""Takes out of a comparison what a picture of few colors (GIF, palette PNG) could not show."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from curate.core.stage import Pixels
from curate.images.duplicates.alignment import Aligned

_MOST = 256
_FLAT = (
    8  # colors that fill most of a flat drawing; of a palette that a picture was reduced to they fill less than half
)
_STEPS = 32  # of each channel, in the table of distances
_SLACK = 4.0  # the palette's colors are known to half a step only


def forgiving(pair: Aligned, first: Pixels, second: Pixels) -> Aligned:
    """The pair with the picture of many colors moved towards the other by what that one's palette lacks.

    `first` and `second` are the two as they came. The pair is returned as it is unless one alone has a palette.
    """
    import cv2

    palettes = (_palette(first), _palette(second))
    if (palettes[0] is None) == (palettes[1] is None):
        return pair
    palette = palettes[0] if palettes[0] is not None else palettes[1]
    rich, poor = (pair.second, pair.first) if palettes[0] is not None else (pair.first, pair.second)
    apart = np.asarray(cv2.GaussianBlur(rich.astype(np.float32) - poor, (0, 0), 2), np.float32)
    lacking = np.asarray(cv2.GaussianBlur(_distances(rich, palette), (0, 0), 2), np.float32)[:, :, None]
    size = np.abs(apart).max(axis=2, keepdims=True)
    moved = apart * np.minimum(1, (lacking + _SLACK) / np.maximum(size, 1e-3))
    rich = np.clip(rich - moved, 0, 255).astype(np.uint8)
    return Aligned(poor, rich, pair.common) if palettes[0] is not None else Aligned(rich, poor, pair.common)


def _palette(pixels: Pixels) -> NDArray[np.uint8] | None:
    """The colors of a picture that was reduced to at most 256, None for any other."""
    codes = pixels.reshape(-1, 3).astype(np.uint32) @ np.array([65536, 256, 1], np.uint32)
    if len(np.unique(codes[:: max(1, len(codes) // 4096)])) > _MOST:
        return None
    colors, counts = np.unique(codes, return_counts=True)
    if len(colors) > _MOST:
        return None
    shown = np.sort(counts)[::-1][1:]  # without the background
    if shown[:_FLAT].sum() > 0.6 * shown.sum():
        return None  # a drawing in flat color has few colors by itself: another color is another picture
    return np.stack([colors >> 16, colors >> 8 & 255, colors & 255], 1).astype(np.uint8)


def _distances(pixels: Pixels, palette: Any) -> NDArray[np.float32]:
    """How far each pixel lies from the nearest color of the palette, as the largest of its channels."""
    centers = (np.arange(_STEPS, dtype=np.float32) + 0.5) * (256 / _STEPS)
    cells = np.stack(np.meshgrid(centers, centers, centers, indexing="ij"), -1).reshape(-1, 3)
    nearest = np.full(len(cells), 255.0, np.float32)
    for color in palette.astype(np.float32):
        np.minimum(nearest, np.abs(cells - color).max(axis=1), out=nearest)
    index = (pixels // (256 // _STEPS)).astype(np.int64) @ np.array([_STEPS * _STEPS, _STEPS, 1])
    return nearest[index]
