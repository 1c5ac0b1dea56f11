"""The libraries still say what the table of messages knows them to say: each is provoked from the real one."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

from curate.images.decode import errors

NOISE = Image.fromarray(np.random.default_rng(1).integers(0, 256, (64, 64, 3), np.uint8))


def saved(form: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    NOISE.save(buffer, form, **options)
    return buffer.getvalue()


def broken(content: bytes, start: int, end: int, value: int = 0) -> bytes:
    return content[:start] + bytes([value]) * (end - start) + content[end:]


def large_profile() -> bytes:
    """A PNG whose color profile unpacks to more than Pillow takes."""
    body = b"profile\0\0" + zlib.compress(bytes(1 << 21))
    chunk = struct.pack(">I", len(body)) + b"iCCP" + body + struct.pack(">I", zlib.crc32(b"iCCP" + body))
    content = saved("PNG")
    return content[:33] + chunk + content[33:]


@pytest.mark.parametrize(
    ("beginning", "content"),
    [
        ("image file is truncated", lambda: saved("JPEG")[:1500]),
        ("decompressed data too large", large_profile),
        ("decoder error -", lambda: broken(saved("TIFF", compression="tiff_lzw"), 100, 4000)),
        ("broken data stream", lambda: broken(saved("PNG"), 60, 5000)),
    ],
)
def test_what_a_library_says_is_known(beginning: str, content: Callable[[], bytes]) -> None:
    with pytest.raises((OSError, ValueError, RuntimeError)) as raised, Image.open(io.BytesIO(content())) as image:
        image.load()
    assert str(raised.value).lower().startswith(beginning)
    assert errors._meaning(raised.value) is not None
