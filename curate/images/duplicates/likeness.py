"""Whether two pictures may show the same thing: whole against whole, or one as a part of the other, at a small size."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from curate.core.stage import Pixels

Plane = NDArray[np.float32]
Place = tuple[float, float, float, float]
"""Left, top, width and height of a part, as shares of the picture it lies in."""

SIDE = 128
_CELL = 9  # side of the neighborhoods that are compared, of SIDE
_WHOLE: Place = (0.0, 0.0, 1.0, 1.0)


@dataclass(frozen=True, slots=True)
class Likeness:
    """How alike two pictures are once they lie on one another.

    correlation  of luma over the whole common area, -1 to 1
    difference   largest mean difference of any neighborhood, 0 to 255, after the best change of brightness and contrast
    place        where the smaller common area lies in the larger picture
    inside       whether the first picture is the part, and the second the larger one
    """

    correlation: float
    difference: float
    place: Place = _WHOLE
    inside: bool = False

    @property
    def share(self) -> float:
        """Longer side of the common area as a share of the larger picture's, 1 for whole against whole."""
        return round(max(self.place[2:]), 2)


def small(pixels: Pixels) -> NDArray[np.uint8]:
    """The picture at a longest side of SIDE: all that `likeness` needs."""
    import cv2

    height, width = pixels.shape[:2]
    factor = SIDE / max(height, width)
    size = (max(8, round(width * factor)), max(8, round(height * factor)))
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)


def likeness(first: NDArray[np.uint8], second: NDArray[np.uint8], *, parts: bool) -> Likeness:
    """The best likeness of two `small` pictures; with `parts`, of either as a part of the other too."""
    best = Likeness(-1.0, 255.0)
    if abs(np.log(_aspect(first) / _aspect(second))) < 0.06:
        best = _compare(first, second)
    if parts and best.correlation < 0.98 and not _are_blanks_apart(first, second):
        parted = [_part(first, second), replace(_part(second, first), inside=True)]
        best = max([best, *parted], key=lambda one: one.correlation)
    return best


def _are_blanks_apart(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> bool:
    """Whether both are of one color all over, and of two colors, so that no part of them is alike either."""
    import cv2

    (mean, deviation), (other, others) = cv2.meanStdDev(first), cv2.meanStdDev(second)
    return max(deviation.max(), others.max()) <= 0.5 and float(np.abs(mean - other).max()) >= 8


def _aspect(picture: NDArray[np.uint8]) -> float:
    return picture.shape[1] / picture.shape[0]


def _part(whole: NDArray[np.uint8], cut: NDArray[np.uint8]) -> Likeness:
    """The best place for `cut` as a part of `whole`, at 50 to 100 % of its size."""
    import cv2

    large, part = _luma(whole), _luma(cut)
    fits = min(large.shape[0] / part.shape[0], large.shape[1] / part.shape[1])

    def at(share: float) -> tuple[float, float, tuple[int, int, int, int]]:
        height, width = max(8, round(part.shape[0] * fits * share)), max(8, round(part.shape[1] * fits * share))
        height, width = min(height, large.shape[0]), min(width, large.shape[1])
        template = cv2.resize(part, (width, height), interpolation=cv2.INTER_AREA)
        matches = cv2.matchTemplate(large, template, cv2.TM_CCOEFF_NORMED)
        _, value, _, (left, top) = cv2.minMaxLoc(matches)
        return (value if np.isfinite(value) else -1.0), share, (top, left, height, width)

    coarse = max(map(at, np.arange(0.5, 1.001, 0.05)))
    fine = max(map(at, np.clip(coarse[1] + np.arange(-0.04, 0.041, 0.01), 0.4, 1.0)))
    _, _, (top, left, height, width) = max(coarse, fine)
    found = _compare(whole[top : top + height, left : left + width], cut)
    rows, columns = large.shape
    return replace(found, place=(left / columns, top / rows, width / columns, height / rows))


def _compare(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> Likeness:
    import cv2

    planes = [
        np.asarray(cv2.resize(p, (SIDE, SIDE), interpolation=cv2.INTER_AREA), np.float32) for p in (first, second)
    ]
    a, b = (np.asarray(cv2.GaussianBlur(p, (0, 0), 1.0), np.float32) for p in planes)
    worst = np.zeros((SIDE, SIDE), np.float32)
    for channel in range(3):
        x, y = b[:, :, channel], a[:, :, channel]
        spread = float(x.var())
        gain = float(((x - x.mean()) * (y - y.mean())).mean()) / spread if spread > 1 else 0.0
        worst += np.abs(y - y.mean() - gain * (x - x.mean())) / 3
    one, other = _luma(a), _luma(b)
    if min(one.std(), other.std()) > 0.5:
        correlation = float(np.corrcoef(one.ravel(), other.ravel())[0, 1])
    else:  # blank pages are alike where their colors are
        apart = float(np.abs(a.mean(axis=(0, 1)) - b.mean(axis=(0, 1))).max())
        blank = max(float(plane.std(axis=(0, 1)).max()) for plane in (a, b)) <= 0.5
        correlation = 1.0 if blank and apart < 4 else 0.0
    return Likeness(round(correlation, 4), round(float(cv2.blur(worst, (_CELL, _CELL)).max()), 1))


def _luma(picture: NDArray[np.uint8] | Plane) -> Plane:
    import cv2

    return np.asarray(cv2.cvtColor(np.asarray(picture, np.float32), cv2.COLOR_RGB2GRAY), np.float32)
