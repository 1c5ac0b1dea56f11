"""Scaling: area averages or Lanczos, in sRGB values or in linear light."""

from __future__ import annotations

import functools
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from curate.core.stage import Pixels

Filter = Literal["area", "lanczos"]


def resize(pixels: Pixels, width: int, height: int, how: Filter = "area", *, linear: bool = False) -> Pixels:
    """H×W×3 pixels at a new size; the same array where the size is already right.

    Enlarging always uses Lanczos: an area average would only repeat pixels. Shrinking by Lanczos widens the kernel with
    the factor, so it does not alias. `linear` averages light instead of sRGB values (IEC 61966-2-1).
    """
    if pixels.shape[:2] == (height, width):
        return pixels
    if width > pixels.shape[1] or height > pixels.shape[0]:
        how = "lanczos"
    if how == "area":
        import cv2

        source = _light(pixels) if linear else pixels
        small: NDArray[Any] = cv2.resize(source, (width, height), interpolation=cv2.INTER_AREA)
        return _dark(small) if linear else small
    return _lanczos_linear(pixels, width, height) if linear else _lanczos(pixels, width, height)


def _lanczos(pixels: Pixels, width: int, height: int) -> Pixels:
    from PIL import Image

    return np.asarray(Image.fromarray(pixels).resize((width, height), Image.Resampling.LANCZOS))


def _lanczos_linear(pixels: Pixels, width: int, height: int) -> Pixels:
    from PIL import Image

    planes: list[Pixels] = []
    for channel in range(3):
        light = Image.fromarray(_light(np.ascontiguousarray(pixels[:, :, channel])).astype(np.float32))
        small = np.asarray(light.resize((width, height), Image.Resampling.LANCZOS))
        planes.append(_dark(np.clip(np.rint(small), 0, 65535).astype(np.uint16)))
    return np.stack(planes, axis=-1)


def _light(pixels: Pixels) -> NDArray[np.uint16]:
    return _to_light()[pixels]


def _dark(light: NDArray[np.uint16]) -> Pixels:
    return _from_light()[light]


@functools.cache
def _to_light() -> NDArray[np.uint16]:
    """Light 0..65535 of each sRGB value."""
    value = np.arange(256) / 255.0
    light = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)
    return np.rint(light * 65535).astype(np.uint16)


@functools.cache
def _from_light() -> NDArray[np.uint8]:
    """The nearest sRGB value of each light 0..65535."""
    light = np.arange(65536) / 65535.0
    value = np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)
    return np.rint(value * 255).astype(np.uint8)
