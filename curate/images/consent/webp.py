"""XMP packets and C2PA manifest stores in the chunks of a WebP."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import BinaryIO

from curate.images.consent.packet import Packet, Part, UnreadableError, read
from curate.images.consent.tiff import exif
from curate.images.iso_boxes import CutPictureError

_XMP_FOLLOWS = 0x04
_PICTURES = frozenset({b"VP8 ", b"VP8L", b"ALPH", b"ANMF"})


def packets(file: BinaryIO) -> Iterator[Part]:
    """The chunks XMP and C2PA.

    Raises UnreadableError where the file ends before the size that its head states, CutPictureError where it ends
    within its picture and its head announces no XMP.
    """
    error, announced = UnreadableError, False
    end = file.seek(0, 2)
    file.seek(4)
    stated = struct.unpack("<I", read(file, 4))[0] + 8
    file.seek(12)
    while len(head := file.read(8)) == 8:
        kind, size = struct.unpack("<4sI", head)
        after = file.tell() + size
        if kind in _PICTURES and not announced:
            error = CutPictureError
        if after > end:
            raise error("it ends within a chunk: damaged or cut short")
        if kind in (b"XMP ", b"C2PA"):
            yield Packet("xmp" if kind == b"XMP " else "c2pa", read(file, size))
        elif kind == b"VP8X" and read(file, size)[0] & _XMP_FOLLOWS:
            announced = True
        elif kind == b"EXIF":
            yield from exif(read(file, size).removeprefix(b"Exif\0\0"))
        file.seek(after + size % 2)
    if stated > end + 1:  # the last chunk's padding is often forgotten
        raise error("the file is truncated")
