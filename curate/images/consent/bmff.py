"""Metadata of files made of boxes: HEIF, AVIF, JPEG XL and JPEG 2000."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import BinaryIO

from curate.images.consent.heif import items
from curate.images.consent.packet import Gap, Packet, Part, UnreadableError, read, unbrotli
from curate.images.consent.tiff import exif
from curate.images.iso_boxes import Box, in_file

_XMP_UUID = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")
_C2PA_UUID = bytes.fromhex("d8fec3d61b0e483c92975828877ec481")
_GROUPS = (b"moov", b"trak", b"udta")
_PICTURES = frozenset({b"meta", b"moov", b"jxlc", b"jxlp", b"jp2c"})
_DEEPEST = 8


def packets(file: BinaryIO) -> Iterator[Part]:
    """Boxes uuid, xml, jumb and XMP_, packed ones (brob), and the items of meta boxes, those of image sequences too.

    Raises UnreadableError, IndexError or struct.error where the boxes do not hold together.
    """
    kinds: set[bytes] = set()
    yield from _between(file, 0, file.seek(0, 2), 0, kinds)
    if not kinds & _PICTURES:
        raise UnreadableError("it ends before its picture begins")


def _between(file: BinaryIO, start: int, end: int, depth: int, kinds: set[bytes]) -> Iterator[Part]:
    """What the boxes hold; their names are added to `kinds`."""
    for box in in_file(file, start, end):
        kinds.add(box.kind)
        if box.kind in _GROUPS and depth < _DEEPEST:
            yield from _between(file, box.start, box.end, depth + 1, kinds)
        else:
            yield from _content(file, box)


def _content(file: BinaryIO, box: Box) -> Iterator[Part]:
    if box.kind not in (b"meta", b"uuid", b"xml ", b"XMP_", b"jumb", b"brob", b"Exif"):
        return
    file.seek(box.start)
    data = read(file, box.end - box.start)
    if box.kind == b"meta":
        yield from items(data, file)
    elif box.kind == b"uuid":
        yield from _uuid(data)
    elif box.kind == b"brob":
        yield from _packed(data)
    else:
        yield from _named(box.kind, data)


def _named(kind: bytes, data: bytes) -> Iterator[Part]:
    if kind == b"Exif":
        yield from exif(data[4 + int.from_bytes(data[:4], "big") :])
    elif kind == b"jumb":
        yield Packet("c2pa", struct.pack(">I4s", len(data) + 8, b"jumb") + data)
    else:
        yield Packet("xmp", data)


def _uuid(data: bytes) -> Iterator[Part]:
    if data[:16] == _XMP_UUID:
        yield Packet("xmp", data[16:])
    elif data[:16] == _C2PA_UUID:
        purpose, _, rest = data[20:].partition(b"\0")
        if purpose in (b"manifest", b"original", b"update"):
            yield Packet("c2pa", rest[8:])


def _packed(data: bytes) -> Iterator[Part]:
    """A box of JPEG XL that is packed by brotli (ISO 18181-2): the four letters of the box, then its content."""
    if len(data) < 4:
        raise UnreadableError("one of its packed boxes is empty")
    kind = data[:4]
    if kind not in (b"xml ", b"jumb", b"Exif"):
        return
    plain, reason = unbrotli(data[4:])
    if plain:
        yield from _named(kind, plain)
    if reason:
        yield Gap(reason)
