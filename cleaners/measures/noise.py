"""Signs of adversarial noise, measured without a model: what is left in the calmest parts of a picture."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cleaners import Picture

Floats = NDArray[np.floating[Any]]
_TILE, _TILES, _BLOCK = 192, 6, 16
_ENOUGH = 32


@dataclass(frozen=True, slots=True)
class Signs:
    """Noise in the calmest tenth or twentieth of the picture's blocks, in units of 0..255, and the score made of it.

    luma        deviation of the finest luma detail
    luma2       luma detail at half resolution, and `luma4` at a quarter
    chroma      deviation of the finest colour detail, where cameras, JPEG and drawings leave next to nothing
    chroma2     colour detail at half resolution, which survives JPEG's halved colour planes
    chroma4     colour detail at a quarter of the resolution, for blurred perturbations
    pattern     a weighted geometric mean of these: colour detail that its luma does not explain, and luma detail that
                falls off too slowly towards fine scales; what is left to see of noise that was blurred or saved as JPEG
    blockiness  jump across the 8×8 grid of JPEG relative to the jump inside it; 1 without a grid
    score       the largest of those in LIMITS in units of its limit: 1 and above is suspect
    """

    luma: float
    luma2: float
    luma4: float
    chroma: float
    chroma2: float
    chroma4: float
    pattern: float
    blockiness: float
    score: float

    @property
    def level(self) -> float:
        """Deviation of the white noise that would show as much, 0..255: halving the size halves white noise."""
        # JPEG leaves noise in the luma alone; but beyond the limit texture is likelier than more noise
        luma = min(self.luma, LIMITS["luma"])
        return max(luma, self.chroma, 2 * self.chroma2, 2.5 * self.chroma4)

    @property
    def coarse(self) -> bool:
        """Whether fine detail shows less noise than a quarter of the resolution: filters hardly reach it there."""
        return max(self.luma, self.chroma) < self.chroma4


LIMITS = {"luma": 9.0, "chroma": 1.0, "chroma2": 1.5, "chroma4": 2.0, "pattern": 0.52}
"""Limits above nearly all of 700 untouched photos, sprites and drawings, varied (tests/bench/cleaners_detection.py)."""

# found by logistic regression on the logarithms, cross-validated over the pictures, then rounded
_EXPONENTS = {"luma2": 0.3, "luma4": -0.5, "chroma": 0.5, "chroma4": 0.7}
_FLOOR = 0.15
_CALM = {"luma": 5, "luma2": 5, "luma4": 5, "chroma": 10, "chroma2": 5, "chroma4": 5}


def signs(picture: Picture) -> Signs:
    """Measures up to 36 evenly spread tiles of 192 pixels, which is all of a picture below about 1.3 megapixels.

    A perturbation covers the whole picture, natural detail does not: so the quiet blocks tell. Their finest detail
    is a diagonal difference with unit gain for white noise (the HH band of a Haar transform, undecimated).
    """
    found: dict[str, list[Floats]] = {name: [] for name in _CALM}
    for tile in _tiles(picture):
        red, green, blue = (tile[..., channel].astype(np.float32) for channel in range(3))
        luma = [(red + 2 * green + blue) / 4]
        colour = [(red - green) / np.float32(2**0.5), (blue - green) / np.float32(2**0.5)]
        for name, factor in (("", 1), ("2", 2), ("4", 4)):
            found[f"luma{name}"].append(_deviations(luma, factor))
            found[f"chroma{name}"].append(_deviations(colour, factor))
    blocks = {name: np.concatenate(parts) for name, parts in found.items()}
    values = {name: _percentile(blocks[name], share) for name, share in _CALM.items()}
    values["pattern"] = round(
        math.prod((values[name] + _FLOOR) ** power for name, power in _EXPONENTS.items()) - _FLOOR, 4
    )
    # of a thumbnail the coarser scales leave too few blocks for any of them to be surely calm
    few = {name for name in ("chroma2", "chroma4") if len(blocks[name]) < _ENOUGH}
    counted = LIMITS.keys() - few - ({"pattern"} if few else set())
    score = max(values[name] / LIMITS[name] for name in counted)
    return Signs(**values, blockiness=blockiness(picture), score=round(score, 4))


def blockiness(picture: Picture) -> float:
    """Mean jump between the rows and columns that meet on the 8×8 grid, relative to that half a block away."""
    luma = picture.astype(np.float32).mean(axis=2)
    ratios: list[float] = []
    for plane in (luma, luma.T):
        if plane.shape[0] < 24:
            continue
        jumps = np.abs(np.diff(plane, axis=0)).mean(axis=1)
        edge, middle = jumps[7::8].mean(), jumps[3::8].mean()
        ratios.append(float((edge + 0.1) / (middle + 0.1)))
    return round(float(np.mean(ratios)), 4) if ratios else 1.0


def _tiles(picture: Picture) -> Iterator[Picture]:
    height, width = picture.shape[:2]
    if height * width <= _TILES * _TILES * _TILE * _TILE:
        yield picture
        return
    for top in np.linspace(0, max(0, height - _TILE), _TILES).astype(int):
        for left in np.linspace(0, max(0, width - _TILE), _TILES).astype(int):
            yield picture[top : top + _TILE, left : left + _TILE]


def _deviations(planes: Sequence[Floats], factor: int) -> Floats:
    """The diagonal detail's root mean square over the planes, per block."""
    import cv2

    total: Floats | None = None
    for plane in planes:
        small = plane
        if factor > 1:
            size = (max(1, plane.shape[1] // factor), max(1, plane.shape[0] // factor))
            small = np.asarray(cv2.resize(plane, size, interpolation=cv2.INTER_AREA))
        detail = (small[:-1, :-1] - small[:-1, 1:] - small[1:, :-1] + small[1:, 1:]) / 2
        total = detail * detail if total is None else total + detail * detail
    if total is None or total.size == 0:
        return np.zeros(1, np.float32)
    block = _BLOCK if factor < 4 else _BLOCK // 2
    rows, columns = max(1, total.shape[0] // block), max(1, total.shape[1] // block)
    area = total[: rows * block, : columns * block] / len(planes)
    parts = (
        area.reshape(rows, -1, columns, area.shape[1] // columns)
        if min(total.shape) >= block
        else area[None, :, None, :]
    )
    return np.sqrt(parts.mean(axis=(1, 3))).ravel()


def _percentile(values: Floats, share: int) -> float:
    return round(float(np.percentile(values, share)), 4)
