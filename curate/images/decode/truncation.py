"""Whether a picture that a decoder delivered without complaint is all there, or was filled up where its data end."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from curate.images.decode import truncation_jpeg, truncation_png

_WIDTH, _HEIGHT, _STRIP_OFFSETS, _SAMPLES, _ROWS_PER_STRIP, _PLANAR = 256, 257, 273, 277, 278, 284
_TILE_WIDTH, _TILE_HEIGHT, _TILE_OFFSETS = 322, 323, 324

# their last row comes first
_BOTTOM_UP = frozenset({"BMP", "DIB", "TGA", "SGI", "IM"})


def lacking(image: Image.Image, path: Path, scaled: int = 1) -> str:
    """What is missing of the loaded picture, empty where nothing is; `scaled` n for a JPEG decoded at 1/n.

    Looks closer only where the picture ends in what decoders fill with. Other formats end in an error.
    """
    if image.format in ("JPEG", "MPO"):
        return truncation_jpeg.lacking(image, path, scaled)
    if image.format == "PNG":
        return truncation_png.lacking(image, path)
    if image.format == "TIFF":
        return "a part of its data is outside the file" if _lost_strips(image) else ""
    return ""


def _lost_strips(image: Image.Image) -> bool:
    """Whether there are fewer strips or tiles than the picture takes, or one at 0, where every TIFF has its header."""
    tags = getattr(image, "tag_v2", {})
    width, height = (max(1, int(tags.get(tag, 1))) for tag in (_WIDTH, _HEIGHT))  # as stored, not as turned upright
    planes = tags.get(_SAMPLES, 1) if tags.get(_PLANAR, 1) == 2 else 1
    if places := tags.get(_TILE_OFFSETS):
        wanted = -(-width // max(1, tags.get(_TILE_WIDTH, width))) * -(
            -height // max(1, tags.get(_TILE_HEIGHT, height))
        )
    else:
        places = tags.get(_STRIP_OFFSETS, ())
        wanted = -(-height // max(1, tags.get(_ROWS_PER_STRIP, height)))
    return bool(places) and (0 in places or len(places) < wanted * planes)


def rows_read(image: Image.Image) -> tuple[int, int]:
    """From which to which row a picture is more than the single colour that fills it where its decoder gave up."""
    values = np.asarray(image)

    def unlike(corner: Any) -> NDArray[np.int64]:
        return np.flatnonzero((values != corner).reshape(values.shape[0], -1).any(axis=1))

    below = unlike(values[-1, -1])
    if image.format in _BOTTOM_UP and below.size and int(below[-1]) + 1 == image.height:
        above = unlike(values[0, 0])
        return int(above[0]), image.height
    return 0, (int(below[-1]) + 1 if below.size else 0)
