"""What Pillow's readers get wrong in rare files, and how to read those rightly."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any, BinaryIO

from PIL import Image, ImageFile

from curate.images.decode import pillow_settings

_BITS, _COMPRESSION, _PHOTOMETRIC, _PLANAR, _SAMPLE_FORMAT = 258, 259, 262, 284, 339
_UNPACKED, _APART, _WHITE_IS_ZERO, _SIGNED = 1, 2, 0, 2
_GREY_STEPS = {"L;2": 85, "L;4": 17}


def open_image(source: Path | BinaryIO, stack: contextlib.ExitStack) -> ImageFile.ImageFile:
    """Opens as `Image.open` does, with what must be mended before loading mended; `stack` closes it.

    Planes of 16 bits that lie apart unpacked are read right only by libtiff, every page of them. Grey that a PNG of 2
    or 4 bits declares transparent is given in its own steps, while its pixels arrive in those of 8 bits.
    """
    image = stack.enter_context(Image.open(source))
    if planes_apart(image) and _first(image, _COMPRESSION) == _UNPACKED and _first(image, _BITS, 8) > 8:
        image.close()
        stack.enter_context(pillow_settings.by_libtiff())
        return stack.enter_context(Image.open(source))
    if image.format == "PNG" and image.mode == "L" and isinstance(image.info.get("transparency"), int):
        rawmode: Any = image.tile[0].args if image.tile else ""
        image.info["transparency"] *= _GREY_STEPS.get(rawmode, 1)
    return image


def planes_apart(image: Image.Image) -> bool:
    """Whether a TIFF holds its colours one after the other, not side by side."""
    return image.format == "TIFF" and _first(image, _PLANAR) == _APART


def white_is_zero(image: Image.Image) -> bool:
    """Whether a deep grey TIFF counts from white to black, which Pillow turns about for 8 bits only."""
    return image.format == "TIFF" and _first(image, _PHOTOMETRIC, 1) == _WHITE_IS_ZERO


def signed_bytes(image: Image.Image) -> bool:
    """Whether the 8-bit samples of a grey TIFF are signed, which Pillow overlooks."""
    return image.format == "TIFF" and image.mode == "L" and _first(image, _SAMPLE_FORMAT, 1) == _SIGNED


def _first(image: Image.Image, tag: int, default: int = 1) -> int:
    value: Any = getattr(image, "tag_v2", {}).get(tag, default)
    value = value[0] if isinstance(value, tuple) and value else value
    return value if isinstance(value, int) else default
