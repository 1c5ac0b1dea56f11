"""Samples deeper than 8 bits, scaled to 8: rounded to the nearest step of the full range, never cut off."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from curate.core.stage import Pixels
from curate.errors import PictureError
from curate.images.decode import pillow_fixes

Gray = NDArray[np.uint8]

_BITS_PER_SAMPLE, _SAMPLE_FORMAT = 258, 339
_UNSIGNED, _SIGNED = 1, 2


def is_deep(image: Image.Image) -> bool:
    """Whether the picture is one channel of 16 or 32 bits, of floats, or of signed bytes."""
    return image.mode == "F" or image.mode.startswith("I") or pillow_fixes.signed_bytes(image)


def to_gray(image: Image.Image, facts: dict[str, Any]) -> Gray:
    """One 8-bit channel H×W from a deep picture: value / (largest value of its depth) × 255, rounded.

    White is 255 even where the file counts from it. Signed bytes and 16-bit samples with negative values use their
    whole range. Integers of 32 bits and floats have no usual range: the smallest of 0..1 (floats), 0..255, 0..65535 and
    the type's own that holds them is taken. Raises PictureError for floats of which none is a number.
    """
    gray = _gray(image, facts)
    return 255 - gray if pillow_fixes.white_is_zero(image) and image.mode != "L" else gray


def _gray(image: Image.Image, facts: dict[str, Any]) -> Gray:
    values = np.asarray(image)
    if pillow_fixes.signed_bytes(image):
        return _scale(values.view(np.int8).astype(np.int64) + 128, 255)
    if image.mode == "F":
        facts["depth"] = 32
        if values.size and not np.isfinite(values).any():
            raise PictureError("damaged: none of its values is a number")
        return _scaled_floats(np.nan_to_num(values.astype(np.float64), nan=0.0, posinf=0.0, neginf=0.0))
    bits, signed = _depth(image)
    facts["depth"] = bits
    if bits > 16:
        wide = values.astype(np.int64)
        return _scaled_wide(wide if signed or wide.min(initial=0) >= 0 else wide & 0xFFFFFFFF, signed)
    whole = values.astype(np.int64)
    if signed and whole.min(initial=0) < 0:
        return _scale(whole + (1 << (bits - 1)), (1 << bits) - 1)
    return _scale(whole, (1 << (bits - 1 if signed else bits)) - 1)


def scale_16(values: NDArray[np.uint16]) -> Gray:
    """8-bit values of 16-bit ones, any shape: round(v / 257)."""
    wide = values.astype(np.uint32)
    return ((wide * 255 + 32767) // 65535).astype(np.uint8)


def exact_colours(
    image: Image.Image, scale: Callable[[NDArray[np.uint16]], Pixels]
) -> tuple[Pixels, Gray | None] | None:
    """RGB by `scale`, and alpha, of a colour PNG or TIFF of 16 bits, rounded; None for anything else.

    Pillow keeps only the high byte of these. OpenCV reads them in full; its high bytes must be Pillow's, so that what
    it reads otherwise than Pillow (a later frame, an unusual chunk) is left to Pillow.
    """
    path = Path(str(getattr(image, "filename", "")))
    if image.mode not in ("RGB", "RGBA") or not (
        _is_deep_tiff(image) or (image.format == "PNG" and _is_deep_colour_png(path))
    ):
        return None
    import cv2

    read = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_UNCHANGED)
    values: NDArray[np.uint16] = np.asarray(read)
    if values.dtype != np.uint16 or values.ndim != 3 or values.shape[:2] != (image.height, image.width):
        return None
    bands = [2, 1, 0, 3][: len(image.mode)]
    if values.shape[2] < len(bands):
        return None
    values = values[:, :, bands]
    if not np.array_equal(values >> 8, np.asarray(image)):
        return None
    key = image.info.get("transparency")
    scaled = scale(np.ascontiguousarray(values[:, :, :3]))
    if values.shape[2] == 4:
        return scaled, scale_16(values[:, :, 3])
    if isinstance(key, tuple):
        return scaled, np.where((values == np.asarray(key)).all(axis=2), 0, 255).astype(np.uint8)
    return scaled, None


def _is_deep_tiff(image: Image.Image) -> bool:
    # layers are no place for OpenCV: of tiles that lie apart it reads the first only
    return image.format == "TIFF" and _depth(image) == (16, False) and not pillow_fixes.planes_apart(image)


def _is_deep_colour_png(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            head = file.read(26)
    except OSError:
        return False
    return head[24:25] == b"\x10" and head[25:26] != b"\0"


def _depth(image: Image.Image) -> tuple[int, bool]:
    tags = getattr(image, "tag_v2", None)
    if tags is None:
        return 16, False
    bits = tags.get(_BITS_PER_SAMPLE, (16,))
    kind = tags.get(_SAMPLE_FORMAT, (_UNSIGNED,))
    first = bits[0] if isinstance(bits, tuple) else bits
    return int(first), (kind[0] if isinstance(kind, tuple) else kind) == _SIGNED


def _scale(values: NDArray[np.int64], top: int) -> Gray:
    return np.clip((values * 510 + top) // (2 * top), 0, 255).astype(np.uint8)


def _scaled_wide(values: NDArray[np.int64], signed: bool) -> Gray:
    low = int(values.min(initial=0))
    if low < 0:
        return _scale(values + (1 << 31), (1 << 32) - 1)
    high = int(values.max(initial=0))
    return _scale(values, next(top for top in (255, 65535, (1 << 31) - 1 if signed else (1 << 32) - 1) if high <= top))


def _scaled_floats(values: NDArray[np.float64]) -> Gray:
    low, high = float(values.min(initial=0.0)), float(values.max(initial=0.0))
    if low < -high:  # no range of pictures: the darkest is black
        return np.rint((values - low) * (255.0 / (high - low))).astype(np.uint8)
    # lossy coders overshoot a little on both sides; the factor tells an overshoot from a larger range
    top = next((top for top in (1.0, 255.0, 65535.0) if high <= 2 * top), high)
    return np.clip(np.rint(values * (255.0 / top)), 0, 255).astype(np.uint8)
