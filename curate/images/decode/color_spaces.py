"""Primaries and transfer functions by the numbers of ITU-T H.273, and the way from there to sRGB."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from curate.core.stage import Pixels

Matrix = NDArray[np.float64]
Curve = Callable[[NDArray[np.float64]], NDArray[np.float64]]

D65 = (0.3127, 0.329)
SRGB = (*D65, 0.64, 0.33, 0.3, 0.6, 0.15, 0.06)
"""White, then red, green and blue as x, y, as a PNG's cHRM chunk lists them."""

PRIMARIES: dict[int, tuple[str, tuple[float, ...]]] = {
    1: ("BT.709", SRGB),
    4: ("BT.470 M", (0.310, 0.316, 0.67, 0.33, 0.21, 0.71, 0.14, 0.08)),
    5: ("BT.470 B/G", (*D65, 0.64, 0.33, 0.29, 0.60, 0.15, 0.06)),
    6: ("BT.601", (*D65, 0.630, 0.340, 0.310, 0.595, 0.155, 0.070)),
    7: ("SMPTE 240M", (*D65, 0.630, 0.340, 0.310, 0.595, 0.155, 0.070)),
    8: ("film", (0.310, 0.316, 0.681, 0.319, 0.243, 0.692, 0.145, 0.049)),
    9: ("BT.2020", (*D65, 0.708, 0.292, 0.170, 0.797, 0.131, 0.046)),
    10: ("XYZ", (1 / 3, 1 / 3, 1.0, 0.0, 0.0, 1.0, 0.0, 0.0)),
    11: ("DCI-P3", (0.314, 0.351, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060)),
    12: ("Display P3", (*D65, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060)),
    22: ("EBU 3213", (*D65, 0.630, 0.340, 0.295, 0.605, 0.155, 0.077)),
}
"""ColourPrimaries of H.273: a name, white and primaries."""

# BT.709's constants to the precision that H.273 gives for those of 12 bits: with fewer digits the curve has a step
_ALPHA, _BETA = 1.09929682680944, 0.018053968510807
_BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])


def srgb_light(value: NDArray[np.float64]) -> NDArray[np.float64]:
    """Light, 0 to 1, of sRGB samples of 0 to 1."""
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def srgb_encoded(light: NDArray[np.float64]) -> Pixels:
    """8-bit sRGB, rounded, of light, 0 to 1; what is outside is cut off."""
    value = np.where(light <= 0.0031308, light * 12.92, 1.055 * np.maximum(light, 0) ** (1 / 2.4) - 0.055)
    return np.rint(np.clip(value, 0, 1) * 255).astype(np.uint8)


def _bt709_light(value: NDArray[np.float64]) -> NDArray[np.float64]:
    """The inverse of BT.709's camera curve, which BT.601 and BT.2020 share."""
    linear = value / 4.5
    return np.where(value < 4.5 * _BETA, linear, ((value + (_ALPHA - 1)) / _ALPHA) ** (1 / 0.45))


def _smpte240_light(value: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(value < 4 * 0.0228, value / 4, ((value + 0.1115) / 1.1115) ** (1 / 0.45))


def _power(exponent: float) -> Curve:
    return lambda value: value**exponent


def _log(decades: float) -> Curve:
    return lambda value: np.where(value <= 0, 0.0, 10.0 ** ((value - 1) * decades))


TRANSFERS: dict[int, tuple[str, Curve]] = {
    1: ("BT.709", _bt709_light),
    4: ("gamma 2.2", _power(2.2)),
    5: ("gamma 2.8", _power(2.8)),
    6: ("BT.601", _bt709_light),
    7: ("SMPTE 240M", _smpte240_light),
    8: ("linear", _power(1.0)),
    9: ("logarithmic, 100:1", _log(2.0)),
    10: ("logarithmic, 316:1", _log(2.5)),
    11: ("xvYCC", _bt709_light),
    12: ("BT.1361", _bt709_light),
    13: ("sRGB", srgb_light),
    14: ("BT.2020", _bt709_light),
    15: ("BT.2020", _bt709_light),
    17: ("SMPTE 428", lambda value: (52.37 / 48) * value**2.6),
}
"""TransferCharacteristics of H.273 of standard dynamic range: a name, and light by sample, both 0 to 1."""


def to_xyz(chromaticity: Sequence[float]) -> tuple[Matrix, Matrix]:
    """The white as XYZ with Y 1, and the matrix from linear RGB of these primaries to XYZ. Raises LinAlgError."""
    (wx, wy), *primaries = np.asarray(chromaticity, np.float64).reshape(4, 2).tolist()
    # each primary as x, y, z: unlike X/Y, 1, Z/Y it takes a y of 0, as XYZ's own primaries have
    columns = np.array([[x, y, 1 - x - y] for x, y in primaries]).T
    white = np.array([wx / wy, 1.0, (1 - wx - wy) / wy])
    return white, columns * np.linalg.solve(columns, white)


def to_srgb(chromaticity: Sequence[float]) -> Matrix | None:
    """Linear RGB of these primaries and white to linear sRGB, adapted by Bradford; None where they span no colours."""
    try:
        white, matrix = to_xyz(chromaticity)
        goal_white, goal = to_xyz(SRGB)
        cones, goal_cones = _BRADFORD @ white, _BRADFORD @ goal_white
        adapted = np.linalg.inv(_BRADFORD) @ np.diag(goal_cones / cones) @ _BRADFORD
        result: Any = np.linalg.inv(goal) @ adapted @ matrix
    except (np.linalg.LinAlgError, FloatingPointError, ZeroDivisionError):
        return None
    return result if np.isfinite(result).all() and np.abs(result).max() < 100 else None
