"""What a PNG says of its own colours without a profile (gAMA, cHRM), and the way from there to sRGB."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from curate.core.stage import Pixels

Matrix = NDArray[np.float64]

_SRGB = (0.3127, 0.329, 0.64, 0.33, 0.3, 0.6, 0.15, 0.06)
_ENCODING = 1 / 2.2
_BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])


@dataclass(frozen=True)
class Calibration:
    """Samples s of 0..1 stand for light s^(1/gamma) (0 for sRGB's own curve), of primaries that `matrix` takes to sRGB's."""

    gamma: float
    matrix: Matrix | None

    def to_srgb(self, values: NDArray[Any]) -> Pixels:
        """8-bit sRGB, rounded, of 8 or 16-bit samples: H×W×3, or H×W of grey, which has no primaries."""
        sample = np.arange(np.iinfo(values.dtype).max + 1) / np.iinfo(values.dtype).max
        light = sample ** (1 / self.gamma) if self.gamma else _light(sample)
        if self.matrix is None or values.ndim == 2:
            return _encoded(light)[values]
        mixed = light.astype(np.float32)[values] @ self.matrix.astype(np.float32).T
        # the curve by table: fine enough for 8 bits, since its steps are smaller than a tenth of theirs
        steps = np.rint(np.sqrt(np.clip(mixed, 0, 1)) * 65535).astype(np.uint16)
        return _encoded((np.arange(65536) / 65535) ** 2)[steps]


def of(image: Image.Image) -> Calibration | None:
    """The calibration of a PNG that is not sRGB; None where a profile or an sRGB chunk goes before it, or nothing is said.

    PNG specification (third edition) 4.3 and 13.13; 1/2.2 without other primaries means sRGB, as browsers take it.
    """
    info = image.info
    gamma = info.get("gamma")
    if image.format != "PNG" or "icc_profile" in info or "srgb" in info or not isinstance(gamma, float):
        return None
    if not 0.01 <= gamma <= 100:
        return None
    chromaticity = info.get("chromaticity") or _SRGB
    matrix = _matrix(chromaticity) if np.abs(np.subtract(chromaticity, _SRGB)).max() > 0.002 else None
    plain = abs(gamma - _ENCODING) < 0.01
    return None if plain and matrix is None else Calibration(0.0 if plain else gamma, matrix)


def _matrix(chromaticity: Any) -> Matrix | None:
    """Linear RGB of these primaries and white to linear sRGB; None where they span no colours."""
    try:
        white, found = _to_xyz(chromaticity)
        goal_white, goal = _to_xyz(_SRGB)
        cones, goal_cones = _BRADFORD @ white, _BRADFORD @ goal_white
        adapted = np.linalg.inv(_BRADFORD) @ np.diag(goal_cones / cones) @ _BRADFORD
        matrix = np.linalg.inv(goal) @ adapted @ found
    except (np.linalg.LinAlgError, FloatingPointError, ZeroDivisionError):
        return None
    return matrix if np.isfinite(matrix).all() and np.abs(matrix).max() < 100 else None


def _to_xyz(chromaticity: Any) -> tuple[Matrix, Matrix]:
    (wx, wy), *primaries = np.asarray(chromaticity, np.float64).reshape(4, 2).tolist()
    columns = np.array([[x / y, 1.0, (1 - x - y) / y] for x, y in primaries]).T
    white = np.array([wx / wy, 1.0, (1 - wx - wy) / wy])
    return white, columns * np.linalg.solve(columns, white)


def _light(value: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def _encoded(light: NDArray[np.float64]) -> Pixels:
    value = np.where(light <= 0.0031308, light * 12.92, 1.055 * np.maximum(light, 0) ** (1 / 2.4) - 0.055)
    return np.rint(np.clip(value, 0, 1) * 255).astype(np.uint8)
