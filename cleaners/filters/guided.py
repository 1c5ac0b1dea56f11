"""The guided filter (He, Sun, Tang 2010) with a colour guide: numbers as of OpenCV contrib's ximgproc.guidedFilter."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import repeat
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
_STRIP = 128
_PAIRS = ((0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2))


@dataclass(frozen=True, slots=True)
class _Strip:
    """What one strip of the guide gives once for all passes: its planes, their means, the inverse of its covariance."""

    guide: Sequence[Floats]
    mean: Sequence[Floats]
    inverse: Sequence[Floats]


class Guide:
    """A picture to be guided by, float32 H×W×3; its statistics are computed once and serve every filtering.

    The picture is worked through in strips, several at once, so that the two dozen planes the method needs stay
    small. Borders are mirrored (edge pixel included), `eps` is in squared units of the picture.
    """

    def __init__(self, guide: Floats, radius: int, eps: float, threads: int = 1) -> None:
        self.radius = radius
        self.threads = threads
        # centred values keep float32 exact enough in the differences of products
        with ThreadPoolExecutor(threads) as pool:
            cuts = (planes for _, planes in self._cut(guide - np.float32(127.5)))
            self._strips = list(pool.map(self._prepare, cuts, repeat(eps)))

    def filter(self, source: Floats) -> Floats:
        """`source` (float32 H×W×3) smoothed along the guide's edges."""
        out = np.empty_like(source)

        def work(strip: _Strip, cut: tuple[slice, Sequence[Floats]]) -> None:
            rows, planes = cut
            for channel, plane in enumerate(planes):
                out[rows, :, channel] = self._plane(strip, plane)

        with ThreadPoolExecutor(self.threads) as pool:
            for _ in pool.map(work, self._strips, self._cut(source)):
                pass
        return out

    def _cut(self, picture: Floats) -> Iterator[tuple[slice, Sequence[Floats]]]:
        """(rows of the picture, the planes of those rows with a margin of two radii all around)."""
        import cv2

        margin = 2 * self.radius
        padded = np.asarray(cv2.copyMakeBorder(picture, margin, margin, margin, margin, cv2.BORDER_REFLECT))
        for top in range(0, picture.shape[0], _STRIP):
            rows = slice(top, min(top + _STRIP, picture.shape[0]))
            strip = padded[rows.start : rows.stop + 2 * margin]
            yield rows, [np.array(strip[..., c], np.float32) for c in range(3)]

    def _box(self, plane: NDArray[Any]) -> NDArray[Any]:
        import cv2

        side = 2 * self.radius + 1
        return np.asarray(cv2.blur(plane, (side, side), borderType=cv2.BORDER_REFLECT))

    def _prepare(self, guide: Sequence[Floats], eps: float) -> _Strip:
        # in double precision: a grey guide makes the covariance nearly singular, and the cofactors cancel
        double = [plane.astype(np.float64) for plane in guide]
        mean = [self._box(plane) for plane in double]
        rr, rg, rb, gg, gb, bb = (
            self._box(double[i] * double[j]) - mean[i] * mean[j] + (eps if i == j else 0) for i, j in _PAIRS
        )
        # the inverse of a symmetric 3×3 matrix by cofactors
        c00, c01, c02 = gg * bb - gb * gb, gb * rb - rg * bb, rg * gb - gg * rb
        c11, c12, c22 = rr * bb - rb * rb, rg * rb - rr * gb, rr * gg - rg * rg
        determinant = rr * c00 + rg * c01 + rb * c02
        inverse = [(c / determinant).astype(np.float32) for c in (c00, c01, c02, c11, c12, c22)]
        return _Strip(guide, [m.astype(np.float32) for m in mean], inverse)

    def _plane(self, strip: _Strip, source: Floats) -> Floats:
        """One channel of one strip, filtered, without its margin."""
        mean = self._box(source)
        cov = [self._box(guide * source) for guide in strip.guide]
        for plane, guide_mean in zip(cov, strip.mean, strict=True):
            np.subtract(plane, guide_mean * mean, out=plane)
        i00, i01, i02, i11, i12, i22 = strip.inverse
        slopes = [_dot(row, cov) for row in ((i00, i01, i02), (i01, i11, i12), (i02, i12, i22))]
        offset = mean - _dot(slopes, strip.mean)
        inner = (slice(2 * self.radius, -2 * self.radius),) * 2
        guide = [plane[inner] for plane in strip.guide]
        return _dot([self._box(slope)[inner] for slope in slopes], guide) + self._box(offset)[inner]


def _dot(left: Sequence[Floats], right: Sequence[Floats]) -> Floats:
    total = left[0] * right[0]
    for a, b in zip(left[1:], right[1:], strict=True):
        total += a * b
    return total
