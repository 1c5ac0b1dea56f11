"""Plain measurements of a picture: sharpness, blockiness, noise, uniformity, white background."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from curate.core.stage import Pixels

Plane = NDArray[np.float32]

LONGEST = 512
"""Longest side at which sharpness is measured, so that it does not depend on resolution."""


_FAINT = 12


def luma(pixels: Pixels) -> Plane:
    """Rec. 601 luma of H×W×3 sRGB, 0 to 255."""
    import cv2

    return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), np.float32)


def sharpness(pixels: Pixels) -> float:
    """Variance of the Laplacian of luma (Pech-Pacheco et al. 2000) at a longest side of at most LONGEST."""
    import cv2

    height, width = pixels.shape[:2]
    factor = min(1.0, LONGEST / max(height, width))
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    plane = luma(np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8))
    return round(float(cv2.Laplacian(plane, cv2.CV_32F).var()), 2)


def blur(pixels: Pixels) -> float:
    """Perceptual blur at full size, 0 sharp to 1 blurred (Crete et al. 2007): how little a further blur changes."""
    import cv2

    plane = luma(middle(pixels, 1024))
    found = 0.0
    for kernel in ((9, 1), (1, 9)):
        axis = 1 if kernel[0] > 1 else 0
        before = np.abs(np.diff(plane, axis=axis))
        after = np.abs(np.diff(cv2.blur(plane, kernel), axis=axis))
        total = float(before.sum())
        lost = float(np.maximum(0, before - after).sum())
        found = max(found, (total - lost) / total if total > 0 else 1.0)
    return round(found, 4)


def blockiness(pixels: Pixels) -> float:
    """How much larger steps are across the 8×8 grid of JPEG than between its lines, as a ratio; 1 without blocks.

    The larger of both directions, over all eight places the grid may lie after a crop. Compared is with the next
    larger of the places: what repeats at other distances (enlarged pixels, tiles, stripes) has two that stand out.
    """
    plane = luma(middle(pixels, 1024))
    return round(max(_grid_ratio(plane), _grid_ratio(plane.T)), 3)


def _grid_ratio(plane: Plane) -> float:
    # what coding leaves is faint: drawn lines must not outweigh it
    steps = np.minimum(np.abs(np.diff(plane, axis=1)), _FAINT).mean(axis=0)
    if len(steps) < 64:
        return 1.0
    steps = np.minimum(steps, 4 * np.median(steps) + 1)  # single strong edges are no grid
    columns = np.array([steps[place::8].mean() for place in range(8)])
    *_, next_, best = np.sort(columns).tolist()
    return best / next_ if next_ > 0.05 else 1.0


def noise(pixels: Pixels) -> float:
    """Standard deviation of noise in luma, 0 to 255 (Immerkær 1996), over the half with the fewest edges."""
    import cv2

    plane = luma(middle(pixels, 1024))
    kernel = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)
    found = np.abs(cv2.filter2D(plane, cv2.CV_32F, kernel))[1:-1, 1:-1]
    edges = cv2.blur(np.abs(cv2.Laplacian(cv2.GaussianBlur(plane, (0, 0), 2), cv2.CV_32F)), (15, 15))[1:-1, 1:-1]
    if not found.size:
        return 0.0
    calm = found[edges <= np.median(edges)]
    return round(float(calm.mean()) * math.sqrt(math.pi / 2) / 6, 3)


def uniform(pixels: Pixels) -> float:
    """Largest share of the picture within ±8 of one colour: 1 for a blank page."""
    import cv2

    few = np.asarray(cv2.resize(pixels, (96, 96), interpolation=cv2.INTER_AREA), np.int16).reshape(-1, 3)
    cells = (few // 16).astype(np.int64) @ np.array([256, 16, 1])
    values, counts = np.unique(cells, return_counts=True)
    common = few[cells == values[counts.argmax()]]
    centre = np.median(common, axis=0)
    return round(float((np.abs(few - centre).max(axis=1) <= 8).mean()), 4)


def border_colour(pixels: Pixels) -> tuple[tuple[int, int, int], float]:
    """The median colour of the outermost pixels, and the share of them within ±8 of it."""
    edge = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]]).astype(np.int16)
    colour = np.median(edge, axis=0)
    share = float((np.abs(edge - colour).max(axis=1) <= 8).mean())
    red, green, blue = (int(v) for v in colour)
    return (red, green, blue), round(share, 4)


def middle(pixels: Pixels, most: int) -> Pixels:
    """The middle of the picture, at most `most` pixels each way: enough for statistics."""
    height, width = pixels.shape[:2]
    top, left = max(0, (height - most) // 2), max(0, (width - most) // 2)
    return pixels[top : top + most, left : left + most]
