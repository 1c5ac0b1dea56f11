"""Lays two pictures that are alike exactly on one another, as large as both can be seen."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from curate.core.stage import Pixels
from curate.images.duplicates.likeness import Likeness

SIDE = 768
"""Longest side at which pictures are compared: the mouth of a figure from head to foot is some ten pixels wide."""

_LEVELS = (96, 320)  # sides at which the exact place is looked for, coarse to fine
_BEND = 0.06  # an exact place farther than this from the first guess is a mistake


class Aligned(NamedTuple):
    """Two pictures of one size, and where both show something."""

    first: NDArray[np.uint8]
    second: NDArray[np.uint8]
    common: NDArray[np.bool_]


def align(first: Pixels, second: Pixels, likeness: Likeness) -> Aligned:
    """The larger picture moved onto the part, at most SIDE long and no larger than either has pixels for."""
    import cv2

    whole, cut = (second, first) if likeness.inside else (first, second)
    height, width = whole.shape[:2]
    left, top, wide, high = likeness.place
    scale = min(SIDE / max(cut.shape[:2]), 1.0, wide * width / cut.shape[1], high * height / cut.shape[0])
    size = (max(16, round(cut.shape[1] * scale)), max(16, round(cut.shape[0] * scale)))
    part = np.asarray(cv2.resize(cut, size, interpolation=cv2.INTER_AREA), np.uint8)
    around = (max(16, round(size[0] / wide)), max(16, round(size[1] / high)))
    whole = np.asarray(cv2.resize(whole, around, interpolation=cv2.INTER_AREA), np.uint8)
    guess = np.array(
        [[wide * around[0] / size[0], 0, left * around[0]], [0, high * around[1] / size[1], top * around[1]]],
        np.float32,
    )
    moves = _exact(part, whole, guess)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    moved = cv2.warpAffine(whole, moves, size, flags=flags, borderMode=cv2.BORDER_REPLICATE)
    inside = cv2.warpAffine(np.ones(whole.shape[:2], np.uint8), moves, size, flags=cv2.INTER_NEAREST | flags)
    # the outermost pixels may be made of what lies outside
    inside = cv2.erode(inside, np.ones((9, 9), np.uint8), borderType=cv2.BORDER_CONSTANT, borderValue=0)
    return Aligned(np.asarray(moved, np.uint8), part, inside.astype(bool))


def _exact(part: NDArray[np.uint8], whole: NDArray[np.uint8], guess: Any) -> Any:
    """The affine map from `part` to `whole` that a gradient search finds (ECC, Evangelidis and Psarakis 2008)."""
    import cv2

    search: Any = cv2.findTransformECC  # its types know no missing mask
    stop = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 40, 1e-5)
    moves, tried = guess, 0.0
    for level in _LEVELS:
        factor = min(1.0, level / max(part.shape[:2]))
        if factor == tried:
            break
        tried = factor
        planes: list[Any] = [cv2.cvtColor(_scaled(p, factor), cv2.COLOR_RGB2GRAY) for p in (part, whole)]
        here = moves.copy()
        here[:, 2] *= factor
        try:
            _, here = search(planes[0], planes[1], here, cv2.MOTION_AFFINE, stop, None, 5)
        except cv2.error:  # it does not converge on flat pictures: the guess is what there is
            continue
        here = np.asarray(here, np.float32).copy()
        here[:, 2] /= factor
        if float(np.abs(here[:, :2] - guess[:, :2]).max()) < _BEND:
            moves = here
    return moves


def _scaled(picture: NDArray[np.uint8], factor: float) -> Any:
    import cv2

    return cv2.resize(picture, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
