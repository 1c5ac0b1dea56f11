"""Thumbnails as data addresses, so that a page is one file."""

from __future__ import annotations

import base64
import io
from pathlib import Path

from curate.errors import CurateError


def thumbnail(path: Path | None, side: int = 192) -> str:
    """A JPEG of the picture, at most `side` pixels long, as a `data:` address; empty where it cannot be read.

    Orientation, colour profile and transparency are settled as on entry, so that the page shows what is trained.
    """
    if path is None:
        return ""
    from PIL import Image

    from curate import images

    try:
        picture = Image.fromarray(images.PICTURE_FILES.read(path))
    except (CurateError, OSError):
        return ""
    picture.thumbnail((side, side), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=78, optimize=True)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
