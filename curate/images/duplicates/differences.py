"""What tells two pictures apart that are alike: another color, or one place (eyes, a mouth, words) that differs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from curate.core.stage import Pixels
from curate.images.duplicates.alignment import Aligned, align
from curate.images.duplicates.likeness import Likeness
from curate.images.duplicates.palette import forgiving

Floats = NDArray[np.float32]

# the limits were chosen on one half of the material of tests/bench/pictures_dedupe.py, which prints the other half
_HUE, _LIGHT = 12.0, 19.0
_SPOTS = ((9, 2.6, 11.5), (5, 4.5, 26.0), (3, 3.2, 26.0))  # side in pixels, times what is usual, and by how much of 255
_COARSE = 96  # longest side at which color is compared
_CLASSES = 12


@dataclass(frozen=True, slots=True)
class Differences:
    """What differs once brightness, contrast and white balance are evened out; each in units of its limit.

    hue    color of an area of a twentieth of the side, as a deviation from its lightness
    light  lightness of such an area
    spot   one place, measured against what coding and noise do to places of as much detail in the same two pictures
    """

    hue: float
    light: float
    spot: float

    def __bool__(self) -> bool:
        """Whether the pictures show two things."""
        return max(self.hue, self.light, self.spot) >= 1


def differences(first: Pixels, second: Pixels, likeness: Likeness) -> Differences:
    """What tells two pictures of that likeness apart; uint8 H×W×3, of any size."""
    pair = align(first, second, likeness)
    pair = forgiving(pair, *((second, first) if likeness.inside else (first, second)))
    if not pair.common.any():
        return Differences(0.0, 0.0, 0.0)
    tone = _tone(pair)
    hue, light = _areas(pair, tone)
    return Differences(round(hue / _HUE, 3), round(light / _LIGHT, 3), round(_spot(pair, tone), 3))


@dataclass(frozen=True, slots=True)
class _Tone:
    """Brightness, contrast, mid-tones and white balance of one picture as seen in another."""

    gain: float = 1.0
    offset: float = 0.0
    middle: float = 0.0
    balance: tuple[float, float, float] = (1.0, 1.0, 1.0)

    def __call__(self, values: Floats) -> Floats:
        light = values * self.gain + self.offset + self.middle * values * (255 - values) / 255
        return np.asarray(np.clip(light * np.array(self.balance, np.float32), 0, 255), np.float32)


def _tone(pair: Aligned) -> _Tone:
    """The change of tone from the first to the second picture that most of their pixels agree on.

    It is held within what editors do to a whole picture: a garment of another color must not count as white balance.
    """
    x, y = (values[_small(pair.common) > 0] for values in (_small(pair.first), _small(pair.second)))
    clear = (y > 6) & (y < 249)  # what is clipped says nothing
    if clear.sum() < 300:
        return _Tone()
    only_balance = _Tone(balance=_balance(x, y, clear))
    tried = [_Tone(), only_balance]
    for start in (_Tone(), only_balance):
        tone, agreeing = start, clear
        for _ in range(6):
            tone = _fitted(x, y, agreeing, tone)
            error = np.abs(tone(x) - y)
            agreeing = clear & (error <= np.quantile(error[clear], 0.75) + 1)
        tried.append(tone)
    return min(tried, key=lambda one: float(np.minimum(np.abs(one(x) - y), 40).mean()))


def _fitted(x: Floats, y: Floats, agreeing: NDArray[np.bool_], before: _Tone) -> _Tone:
    """One step of the fit: least squares drawn towards no change, over the pixels that agreed with the step before."""
    values = (x * np.array(before.balance, np.float32))[agreeing]
    wanted = y[agreeing] - values
    columns = np.stack([values - values.mean(), values * (255 - values) / 255, np.ones_like(values)])
    drawn = np.diag(np.array([30.0, 90.0, 0.001]) * len(values))
    gain, middle, offset = np.linalg.solve(columns @ columns.T + drawn, columns @ wanted)
    gain, middle = float(np.clip(1 + gain, 0.6, 1.7)), float(np.clip(middle, -0.35, 0.35))
    offset = float((y[agreeing] - gain * values - middle * values * (255 - values) / 255).mean())
    light = _Tone(gain, float(np.clip(offset, -80, 80)), middle)
    return _Tone(gain, light.offset, middle, _balance(light(x), y, agreeing))


def _balance(x: Floats, y: Floats, agreeing: NDArray[np.bool_]) -> tuple[float, float, float]:
    """Factors of red, green and blue from `x` to `y`, 1 on average and never far from it."""
    factors: list[float] = []
    for channel in range(3):
        a, b = x[agreeing[:, channel], channel], y[agreeing[:, channel], channel]
        factors.append(float(np.clip((a @ b + 1e4) / (a @ a + 1e4), 0.82, 1.22)))
    mean = sum(factors) / 3
    return factors[0] / mean, factors[1] / mean, factors[2] / mean


def _areas(pair: Aligned, tone: _Tone) -> tuple[float, float]:
    """Largest difference of any area in color and in lightness, 0 to 255."""
    import cv2

    apart = cv2.blur(tone(_small(pair.first)) - _small(pair.second), (5, 5))[_small(pair.common) > 0]
    light = np.abs(apart @ np.array([0.3, 0.59, 0.11], np.float32))
    hue = np.abs(apart - apart.mean(axis=1, keepdims=True)).max(axis=1)
    return float(np.quantile(hue, 0.99)), float(np.quantile(light, 0.99))


def _spot(pair: Aligned, tone: _Tone) -> float:
    """How far the most different place stands out, in units of the limits.

    Coding, noise and a place not met exactly leave differences everywhere, more where there is more detail. So pixels
    are put into classes of equal detail, and each difference is compared with what is usual in its class.
    """
    import cv2

    a, b = (np.asarray(cv2.GaussianBlur(p, (0, 0), 1.2), np.float32) for p in (pair.first, pair.second))
    a = tone(a)
    apart = np.where(pair.common, np.abs(a - b).max(axis=2), 0).astype(np.float32)
    detail = np.minimum(_detail(a), _detail(b))
    bounds = np.quantile(detail[pair.common], np.linspace(0, 1, _CLASSES + 1)[1:-1])
    classes = np.searchsorted(bounds, detail)
    usual = np.zeros(_CLASSES, np.float32)
    for n in range(_CLASSES):
        some = apart[pair.common & (classes == n)]
        usual[n] = np.quantile(some, 0.9) if len(some) > 50 else 0
    expected = np.maximum.accumulate(usual)[classes]
    times = np.where(pair.common, apart / (expected + 3), 0)
    beyond = np.where(pair.common, np.maximum(0, apart - 1.5 * expected - 4), 0)
    found = [min(_peak(times, side) / least, _peak(beyond, side) / most) for side, least, most in _SPOTS]
    return max(found)


def _detail(picture: Floats) -> Any:
    """The strongest edge within four pixels of each."""
    import cv2

    edges = cv2.morphologyEx(picture, cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8)).max(axis=2)
    return cv2.dilate(edges, np.ones((9, 9), np.uint8))


def _peak(values: Any, side: int) -> float:
    import cv2

    return float(cv2.blur(np.asarray(values, np.float32), (side, side)).max())


def _small(values: NDArray[Any]) -> Floats:
    import cv2

    factor = min(1.0, _COARSE / max(values.shape[:2]))
    size = (max(8, round(values.shape[1] * factor)), max(8, round(values.shape[0] * factor)))
    how = cv2.INTER_NEAREST if values.dtype == bool else cv2.INTER_AREA
    plain = values.astype(np.uint8) if values.dtype == bool else values
    return np.asarray(cv2.resize(plain, size, interpolation=how), np.float32)
