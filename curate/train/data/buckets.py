"""Aspect buckets by kohya's rule: which size each picture is trained at, and how it is fitted."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Size = tuple[int, int]
"""Width, height in pixels."""


@dataclass(frozen=True, slots=True)
class Fit:
    """How a picture becomes its bucket's size: scaled to `scaled`, then cropped at (left, top) to `bucket`."""

    bucket: Size
    scaled: Size
    left: int
    top: int


def resolutions(resolution: int, smallest: int, largest: int, step: int) -> list[Size]:
    """All bucket sizes of at most resolution² pixels (kohya `make_bucket_resolutions`), sorted."""
    area = resolution * resolution
    square = int(math.sqrt(area) // step) * step
    found = {(square, square)}
    for width in range(smallest, largest + 1, step):
        height = min(largest, int((area // width) // step) * step)
        if height >= smallest:
            found |= {(width, height), (height, width)}
    return sorted(found)


def enlargement(width: int, height: int, resolution: int, step: int = 64) -> float:
    """How many times training at a resolution enlarges a picture; at most 1 where it does not.

    A picture as large as its bucket is not enlarged, though its area may be below the resolution's square; nor is one
    of that area, whose bucket may be a few pixels longer.
    """
    sizes = resolutions(resolution, max(step, resolution // 2), resolution * 2, step)
    bucket = fit(width, height, sizes).bucket
    by_bucket = max(bucket[0] / width, bucket[1] / height)
    return min(by_bucket, resolution / math.sqrt(width * height))


def fit(width: int, height: int, sizes: list[Size]) -> Fit:
    """The bucket of the nearest aspect (an exact size first), covered by the scaled picture, cropped in the middle."""
    if (width, height) in sizes:
        return Fit((width, height), (width, height), 0, 0)
    aspect = width / height
    bucket = min(sizes, key=lambda s: abs(s[0] / s[1] - aspect))
    return _covering(width, height, bucket)


def fit_no_upscale(width: int, height: int, resolution: int, step: int) -> Fit:
    """A bucket no larger than the picture (kohya's bucket_no_upscale): any size in steps, at least one step."""
    area = resolution * resolution
    if width * height <= area:
        bucket = (max(step, width - width % step), max(step, height - height % step))
        return (
            _covering(width, height, bucket)
            if bucket[0] > width or bucket[1] > height
            else _cropping(width, height, bucket)
        )
    aspect = width / height
    wide = math.sqrt(area * aspect)
    high = area / wide

    def rounded(value: float) -> int:
        whole = int(value + 0.5)
        return max(step, whole - whole % step)

    by_width = (rounded(wide), int(rounded(wide) / aspect + 0.5))
    by_height = (int(rounded(high) * aspect + 0.5), rounded(high))
    first, second = (by_width[0], rounded(by_width[1])), (rounded(by_height[0]), by_height[1])
    errors = abs(first[0] / first[1] - aspect), abs(second[0] / second[1] - aspect)
    bucket, scaled = (first, by_width) if errors[0] < errors[1] else (second, by_height)
    covers = scaled[0] >= bucket[0] and scaled[1] >= bucket[1]
    return _cropping(*scaled, bucket) if covers else _covering(width, height, bucket)


def _covering(width: int, height: int, bucket: Size) -> Fit:
    scale = max(bucket[0] / width, bucket[1] / height)
    scaled = max(bucket[0], int(width * scale + 0.5)), max(bucket[1], int(height * scale + 0.5))
    return Fit(bucket, scaled, (scaled[0] - bucket[0]) // 2, (scaled[1] - bucket[1]) // 2)


def _cropping(width: int, height: int, bucket: Size) -> Fit:
    """The middle of a picture that was scaled to this width and height."""
    return Fit(bucket, (width, height), (width - bucket[0]) // 2, (height - bucket[1]) // 2)


def apply(pixels: NDArray[np.uint8], how: Fit) -> NDArray[np.uint8]:
    """The picture H×W×3 at its bucket's size: area averaging where it shrinks, Lanczos where it grows."""
    import cv2

    height, width = pixels.shape[:2]
    out: Any = pixels
    if (width, height) != how.scaled:
        shrinks = how.scaled[0] <= width and how.scaled[1] <= height
        out = cv2.resize(pixels, how.scaled, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LANCZOS4)
    return out[how.top : how.top + how.bucket[1], how.left : how.left + how.bucket[0]]
