"""How much two pictures differ: PSNR and SSIM."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cleaners import Picture

_SIGMA = 1.5


def psnr(one: Picture, other: Picture) -> float:
    """Peak signal to noise ratio in dB over all channels; infinite for equal pictures. Shapes must match."""
    error = float(np.mean(np.square(one.astype(np.float32) - other.astype(np.float32)), dtype=np.float64))
    return math.inf if error == 0 else 10 * math.log10(255**2 / error)


def ssim(one: Picture, other: Picture) -> float:
    """Structural similarity (Wang et al. 2004) of luma, -1..1: Gaussian window 11×11, sigma 1.5, K 0.01 and 0.03.

    Population covariances, as in the paper; the mean is taken where the window fits, over everything in a picture
    too small for that.
    """
    import cv2

    def blur(plane: NDArray[Any]) -> NDArray[Any]:
        return np.asarray(cv2.GaussianBlur(plane, (11, 11), _SIGMA, borderType=cv2.BORDER_REFLECT))

    x, y = (np.asarray(cv2.cvtColor(p, cv2.COLOR_RGB2GRAY), np.float32) - np.float32(127.5) for p in (one, other))
    mean_x, mean_y = blur(x), blur(y)
    var_x, var_y = blur(x * x) - mean_x**2, blur(y * y) - mean_y**2
    both = blur(x * y) - mean_x * mean_y
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    mean_x, mean_y = mean_x + np.float32(127.5), mean_y + np.float32(127.5)
    result = (2 * mean_x * mean_y + c1) * (2 * both + c2) / ((mean_x**2 + mean_y**2 + c1) * (var_x + var_y + c2))
    inner = result[5:-5, 5:-5] if min(result.shape) > 10 else result
    return float(inner.mean(dtype=np.float64))
