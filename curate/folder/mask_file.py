"""Mask file: a painted mask as a PNG that says how its picture was turned, mirrored and cropped when it was painted."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from curate.core.files import digest_file
from curate.core.transform import Transform
from curate.images.decode.errors import BROKEN
from curate.images.masks import Mask

_TRANSFORM, _PAINTED = "curate-transform", "curate-painted"
"""Text chunks: the picture's transform, and the digest of the file as it was painted."""


def encoded(mask: Mask, transform: Transform, painted: str = "") -> bytes:
    """A grey PNG; `painted` is the digest of the file as it was painted, where the mask was changed since."""
    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    info.add_text(_TRANSFORM, transform.to_json())
    if painted:
        info.add_text(_PAINTED, painted)
    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(mask)).save(file, "PNG", pnginfo=info)
    return file.getvalue()


def transform_of(path: Path) -> Transform | None:
    """How its picture was changed when the mask was painted; None where the file does not say."""
    text = _texts(path).get(_TRANSFORM)
    return Transform.from_plain(json.loads(text)) if text else None


def digest_as_painted(path: Path) -> str:
    """The digest of the file as it was painted. Raises OSError where there is none."""
    return _texts(path).get(_PAINTED) or digest_file(path)


def transferred(mask: Mask, before: Transform, now: Transform) -> Mask:
    """The mask of a picture changed by `before` as that of the same source changed by `now`.

    What a crop had cut off counts in full. Raises InputError where `now` leaves too little.
    """
    height, width = mask.shape
    whole = mask
    if before.crop:
        left, top, share, tall = before.crop
        whole = np.full((round(height / tall), round(width / share)), 255, np.uint8)
        y, x = round(top * whole.shape[0]), round(left * whole.shape[1])
        part = whole[y : y + height, x : x + width]
        part[:] = mask[: part.shape[0], : part.shape[1]]
    if before.flip:
        whole = whole[:, ::-1]
    whole = np.rot90(whole, before.rotate // 90)
    return now.apply(whole[:, :, None])[:, :, 0]


def _texts(path: Path) -> Mapping[str, Any]:
    from PIL import Image

    try:
        with Image.open(path) as image:
            return getattr(image, "text", {})
    except BROKEN:
        return {}
