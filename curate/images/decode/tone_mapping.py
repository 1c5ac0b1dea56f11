"""High dynamic range (PQ and HLG of ITU-R BT.2100) to sRGB's range: highlights are compressed, the rest stays.

Paper white is 203 cd/m² (ITU-R BT.2408, 2.1). Highlights go by the EETF of ITU-R BT.2390, 5.4, from the picture's
own peak to paper white, on the largest of R, G and B, so that hues stay. A picture without highlights stays.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

PAPER_WHITE = 203.0
"""cd/m² that become sRGB's white."""

_HLG_PEAK, _HLG_GAMMA = 1000.0, 1.2  # BT.2100: the nominal display, and its system gamma
_BRIGHTEST = 99.95  # percentile that counts as a picture's peak: single hot pixels must not darken it

# SMPTE ST 2084
_M1, _M2 = 2610 / 16384, 2523 / 4096 * 128
_C1, _C2, _C3 = 3424 / 4096, 2413 / 4096 * 32, 2392 / 4096 * 32
# ARIB STD-B67
_A, _B, _C = 0.17883277, 0.28466892, 0.55991073

Floats = NDArray[Any]


@dataclass(frozen=True)
class HighRange:
    """A signal whose light goes beyond paper white; `nits` makes cd/m² of what its curve gives, H×W or H×W×3."""

    name: str
    nits: Callable[[Floats], Floats]
    peak: float = PAPER_WHITE

    def to_peak(self, peak: float) -> HighRange:
        """The same for a picture whose brightest parts have this many cd/m²."""
        return replace(self, peak=max(PAPER_WHITE, peak))

    def to_standard(self, nits: Floats) -> Floats:
        """Light, 1 is paper white: highlights compressed, each pixel's channels by the same factor."""
        if self.peak <= PAPER_WHITE:
            return nits / PAPER_WHITE
        largest = nits if nits.ndim == 2 else nits.max(axis=2, keepdims=True)
        mapped = compressed(largest, self.peak)
        return nits * (mapped / np.maximum(largest, 1e-6)) / PAPER_WHITE


def pq_light(value: Floats) -> Floats:
    """cd/m² of PQ samples of 0 to 1 (SMPTE ST 2084)."""
    power = np.maximum(value, 0) ** (1 / _M2)
    return 10_000 * (np.maximum(power - _C1, 0) / (_C2 - _C3 * power)) ** (1 / _M1)


def pq_encoded(nits: Floats) -> Floats:
    """The inverse of `pq_light`."""
    power = (np.maximum(nits, 0) / 10_000) ** _M1
    return ((_C1 + _C2 * power) / (1 + _C3 * power)) ** _M2


def hlg_light(value: Floats) -> Floats:
    """The light of the scene, 0 to 1, of HLG samples of 0 to 1 (ARIB STD-B67)."""
    return np.where(value <= 0.5, value**2 / 3, (np.exp((value - _C) / _A) + _B) / 12)


def pq() -> HighRange:
    """PQ: its curve gives cd/m² at once."""
    return HighRange("PQ", lambda light: light)


def hlg(luminance: Floats) -> HighRange:
    """HLG on BT.2100's nominal display of 1000 cd/m²; `luminance` are the shares of R, G and B in it."""
    shares = np.asarray(luminance, np.float32)

    def displayed(scene: Floats) -> Floats:
        luma = scene if scene.ndim == 2 else (scene @ shares)[:, :, None]
        return _HLG_PEAK * scene * np.maximum(luma, 0) ** (_HLG_GAMMA - 1)

    return HighRange("HLG", displayed)


def compressed(nits: Floats, peak: float) -> Floats:
    """The EETF of ITU-R BT.2390, 5.4, from 0..`peak` to 0..PAPER_WHITE cd/m², for a black of 0 on both sides."""
    top = float(pq_encoded(np.asarray(peak)))
    most = float(pq_encoded(np.asarray(PAPER_WHITE))) / top
    knee = 1.5 * most - 0.5
    value = np.minimum(pq_encoded(nits) / top, 1)
    t = (value - knee) / (1 - knee)
    curve = (2 * t**3 - 3 * t**2 + 1) * knee + (t**3 - 2 * t**2 + t) * (1 - knee) + (-2 * t**3 + 3 * t**2) * most
    return np.where(value < knee, nits, pq_light(curve * top))


def peak(strips: Iterable[Floats]) -> float:
    """cd/m² of a picture's brightest parts, from its strips: the percentile of the largest of R, G and B."""
    largest = [(strip if strip.ndim == 2 else strip.max(axis=2)).astype(np.float32).ravel() for strip in strips]
    every = np.concatenate(largest)
    return float(np.percentile(every, _BRIGHTEST)) if every.size else PAPER_WHITE
