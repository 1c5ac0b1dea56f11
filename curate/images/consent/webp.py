"""XMP packets and C2PA manifest stores in the chunks of a WebP."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import BinaryIO

from curate.images.consent.packet import Packet, Part, UnreadableError, read
from curate.images.consent.tiff import exif


def packets(file: BinaryIO) -> Iterator[Part]:
    """The chunks XMP and C2PA. Raises UnreadableError where the file ends before the size that its head states."""
    end = file.seek(0, 2)
    file.seek(4)
    stated = struct.unpack("<I", read(file, 4))[0] + 8
    file.seek(12)
    while len(head := file.read(8)) == 8:
        kind, size = struct.unpack("<4sI", head)
        after = file.tell() + size
        if after > end:
            raise UnreadableError("it ends within a chunk: damaged or cut short")
        if kind in (b"XMP ", b"C2PA"):
            yield Packet("xmp" if kind == b"XMP " else "c2pa", read(file, size))
        elif kind == b"EXIF":
            yield from exif(read(file, size).removeprefix(b"Exif\0\0"))
        file.seek(after + size % 2)
    if stated > end + 1:  # the last chunk's padding is often forgotten
        raise UnreadableError("it ends before its last chunk: damaged or cut short")
