"""What a PNG says of its own colours without a profile or code points (gAMA, cHRM)."""

from __future__ import annotations

import numpy as np
from PIL import Image

from curate.images.decode.calibration import Calibration
from curate.images.decode.color_spaces import SRGB, srgb_light, to_srgb

_ENCODING = 1 / 2.2


def of(image: Image.Image) -> Calibration | None:
    """The calibration of a PNG that is not sRGB; None where a profile or an sRGB chunk overrides it or none is there.

    PNG specification (third edition) 4.3 and 13.13; 1/2.2 without other primaries means sRGB, as browsers take it.
    """
    info = image.info
    gamma = info.get("gamma")
    if image.format != "PNG" or "icc_profile" in info or "srgb" in info or not isinstance(gamma, float):
        return None
    if not 0.01 <= gamma <= 100:
        return None
    chromaticity = info.get("chromaticity") or SRGB
    matrix = to_srgb(chromaticity) if np.abs(np.subtract(chromaticity, SRGB)).max() > 0.002 else None
    if abs(gamma - _ENCODING) >= 0.01:
        return Calibration(lambda sample: sample ** (1 / gamma), matrix)
    return None if matrix is None else Calibration(srgb_light, matrix)
