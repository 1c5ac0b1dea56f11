"""The way out: pixels to PNG, JPEG or WebP, without any metadata."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from curate.core.stage import Pixels
from curate.errors import InputError

try:
    from isal import isal_zlib
except ImportError:
    isal_zlib = None

SUFFIX = {"png": ".png", "jpeg": ".jpg", "webp": ".webp"}
_DEFAULT = {"png": None, "jpeg": 95, "webp": 90}
_PLAIN_ROWS = 2  # up to this zlib level, choosing a filter for each row costs more time than it saves bytes
_RANGE = {"png": (0, 9), "jpeg": (1, 100), "webp": (1, 100)}


def parse(encoding: str) -> tuple[str, int | None]:
    """Format and level or quality of `png[:level]`, `jpeg[:quality]`, `webp[:quality]`. Raises InputError."""
    name, _, value = encoding.partition(":")
    if name not in SUFFIX:
        raise InputError(f'unknown picture encoding "{encoding}"', "choose from: png, jpeg, webp")
    if not value:
        return name, _DEFAULT[name]
    low, high = _RANGE[name]
    if not value.isdecimal() or not low <= int(value) <= high:
        raise InputError(f'"{value}" in "{encoding}" is not between {low} and {high}')
    return name, int(value)


def write(pixels: Pixels, path: Path, encoding: str) -> None:
    """Encodes H×W×3 pixels straight to `path`. Raises InputError for an unknown encoding."""
    name, value = parse(encoding)
    if name == "png" and (value is None or value <= _PLAIN_ROWS):
        path.write_bytes(fast_png(pixels, value))
        return
    from PIL import Image

    image = Image.fromarray(pixels)
    if name == "png":
        image.save(path, "PNG", compress_level=value)
    elif name == "jpeg":
        # full colour resolution where quality matters enough to be asked for
        image.save(path, "JPEG", quality=value, subsampling=0 if (value or 0) >= 90 else 2)
    else:
        image.save(path, "WEBP", quality=value, method=4)


def fast_png(pixels: Pixels, level: int | None = None) -> bytes:
    """A PNG of H×W×3 pixels: every row minus the one above, packed by zlib at `level`.

    Without a level it is packed by igzip, or by zlib at level 1 where it is missing: several times faster than libpng,
    which tries filters row by row, and about as small as its level 1.
    """
    return _png(pixels, 2, level)


def gray_png(plane: NDArray[np.uint8]) -> bytes:
    """A grey PNG of H×W values."""
    return _png(plane[:, :, None], 0, None)


def _png(pixels: NDArray[np.uint8], colour: int, level: int | None) -> bytes:
    height, width, channels = pixels.shape
    rows = pixels.reshape(height, width * channels)
    filtered = np.empty((height, 1 + width * channels), np.uint8)
    filtered[:, 0] = 2
    filtered[0, 1:] = rows[0]
    np.subtract(rows[1:], rows[:-1], out=filtered[1:, 1:])
    data = filtered.data.cast("B")
    packed = _igzip(data) if level is None else zlib.compress(data, level)
    header = struct.pack(">IIBBBBB", width, height, 8, colour, 0, 0, 0)
    return b"".join([b"\x89PNG\r\n\x1a\n", _chunk(b"IHDR", header), _chunk(b"IDAT", packed), _chunk(b"IEND", b"")])


def _igzip(data: memoryview) -> bytes:
    """A zlib stream of `data` at igzip's level 2 (zlib's level 1 where igzip is missing), the same in every process.

    igzip (up to 2.32, its `write_first_byte`) files the third byte of a stream under a hash of the address of its own
    state, so that one flat drawing in some hundreds was packed otherwise in another thread. A first block of one byte,
    flushed by itself, never comes there; it costs five bytes.
    """
    if not isal_zlib:
        return zlib.compress(data, 1)
    packer = isal_zlib.compressobj(2)
    first = packer.compress(data[:1]) + packer.flush(isal_zlib.Z_SYNC_FLUSH)
    return b"".join([first, packer.compress(data[1:]), packer.flush()])


def _chunk(kind: bytes, data: bytes) -> bytes:
    crc = zlib.crc32(data, zlib.crc32(kind))
    return b"".join([struct.pack(">I", len(data)), kind, data, struct.pack(">I", crc)])
