"""Whether a PNG's data hold all its rows; and the file without texts that are too large for its reader."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image

_MAGIC = b"\x89PNG\r\n\x1a\n"
_TEXTS = frozenset({b"tEXt", b"zTXt", b"iTXt"})
_XMP = b"XML:com.adobe.xmp\0"
_SMALL = 1 << 16  # bytes of a text that is kept: XMP may say which way up
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
# first column, first row, steps of columns and of rows of the seven passes (PNG specification 8.2)
_ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))


def lacking(image: Image.Image, path: Path) -> str:
    """What the file lacks of the loaded picture, or empty; unpacks it again only where the last row is zeros."""
    interlaced = bool(image.info.get("interlace"))
    if not interlaced and np.asarray(image.crop((0, image.height - 1, image.width, image.height))).any():
        return ""
    with path.open("rb") as file:
        if file.read(8) != _MAGIC:
            return ""
        try:
            return "its data end before its last row" if _too_short(file) else ""
        except zlib.error:
            return "its data are broken"


def without_texts(path: Path) -> BinaryIO | None:
    """The file without its texts, where it is a PNG that has any; None otherwise."""
    kept, dropped = [_MAGIC], False
    with path.open("rb") as file:
        if file.read(8) != _MAGIC:
            return None
        for kind, length in _chunks(file):
            body = file.read(length + 4)
            if kind in _TEXTS and not (body.startswith(_XMP) and length <= _SMALL):
                dropped = True
            else:
                kept.extend((struct.pack(">I", length) + kind, body))
    return io.BytesIO(b"".join(kept)) if dropped else None


def _chunks(file: BinaryIO) -> Iterator[tuple[bytes, int]]:
    """Kind and length of each chunk; the file stands at its body, of which as much may be read as is liked."""
    while len(head := file.read(8)) == 8:
        length, kind = struct.unpack(">I4s", head)
        after = file.tell() + length + 4
        yield kind, length
        file.seek(after)


def _too_short(file: BinaryIO) -> bool:
    """Whether the data of the first picture are fewer bytes than its rows take."""
    wanted, got, unpack = 0, 0, zlib.decompressobj()
    for kind, length in _chunks(file):
        if kind == b"IHDR":
            wanted = _size(file.read(13))
        elif kind == b"IDAT":
            piece = file.read(length)
            while piece and got < wanted and not unpack.eof:
                got += len(unpack.decompress(piece, 1 << 20))
                piece = unpack.unconsumed_tail
        if got >= wanted > 0:
            return False
    return wanted > 0


def _size(header: bytes) -> int:
    """Bytes of all rows with their filters."""
    width, height, bits, kind, _, _, interlaced = struct.unpack(">IIBBBBB", header)
    deep = bits * _CHANNELS.get(kind, 1)
    passes = _ADAM7 if interlaced else ((0, 0, 1, 1),)
    total = 0
    for left, top, across, down in passes:
        columns, rows = max(0, -(-(width - left) // across)), max(0, -(-(height - top) // down))
        total += rows * (1 + (columns * deep + 7) // 8) if columns else 0
    return total
