"""From picture to tensor: the steps that families put together, each as its reference program does it with Pillow."""

from __future__ import annotations

from typing import Literal

import numpy as np
from PIL import Image

from taggers.base import Picture, Tensor

Filter = Literal["nearest", "bilinear", "bicubic", "lanczos", "box", "hamming"]


def opaque(picture: Picture, background: int = 255) -> Picture:
    """RGB as it is; RGBA composited on a grey of that value; one channel repeated. H×W×3 uint8."""
    if picture.ndim == 2:
        return np.repeat(picture[:, :, None], 3, axis=2)
    if picture.shape[2] == 4:
        canvas = Image.new("RGBA", (picture.shape[1], picture.shape[0]), (background, background, background, 255))
        canvas.alpha_composite(Image.fromarray(np.ascontiguousarray(picture)))
        return np.asarray(canvas.convert("RGB"))
    return picture


def pad_square(picture: Picture, background: int = 255) -> Image.Image:
    """Centred on a square of the longer side; an odd pixel goes to the right or bottom."""
    height, width = picture.shape[:2]
    side = max(height, width)
    image = Image.fromarray(np.ascontiguousarray(picture))
    if height == width:
        return image
    canvas = Image.new("RGB", (side, side), (background,) * 3)
    canvas.paste(image, ((side - width) // 2, (side - height) // 2))
    return canvas


def square(picture: Picture, side: int, resample: Filter = "bicubic", background: int = 255) -> Picture:
    """`pad_square`, then resized to side×side; equal to the bit to doing so in Pillow.

    Pillow resamples rows first and rounds to 8 bits in between, so a wide picture can be narrowed before it is
    padded: the padding's rows stay the background either way, and the large canvas is never made.
    """
    height, width = picture.shape[:2]
    if width <= height or width == side:
        padded = pad_square(picture, background)
        return np.asarray(padded if padded.width == side else padded.resize((side, side), _filter(resample)))
    narrow = Image.fromarray(np.ascontiguousarray(picture)).resize((side, height), _filter(resample))
    canvas = Image.new("RGB", (side, width), (background,) * 3)
    canvas.paste(narrow, (0, (width - height) // 2))
    return np.asarray(canvas.resize((side, side), _filter(resample)))


def stretch(picture: Picture, side: int, resample: Filter = "bicubic") -> Picture:
    """Resized to side×side without regard to the aspect ratio."""
    image = Image.fromarray(np.ascontiguousarray(picture))
    return np.asarray(image if image.size == (side, side) else image.resize((side, side), _filter(resample)))


def bgr(picture: Picture) -> Tensor:
    """Channels reversed, float32 0..255, H×W×3."""
    return np.ascontiguousarray(picture[:, :, ::-1], dtype=np.float32)


def planes(picture: Tensor) -> Tensor:
    """H×W×3 to 3×H×W."""
    return np.ascontiguousarray(picture.transpose(2, 0, 1))


def _filter(name: Filter) -> Image.Resampling:
    return Image.Resampling[name.upper()]
