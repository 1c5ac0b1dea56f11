"""Boxes of ISO 14496-12, as HEIF, AVIF, JPEG XL, JPEG 2000 and JUMBF have them."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple


class UnreadableError(ValueError):
    """The container does not hold together from here on."""


class CutPictureError(UnreadableError):
    """The file is damaged within its picture; all metadata that stand before it were read."""


_PICTURES = frozenset({b"mdat", b"jxlc", b"jxlp", b"jp2c"})


class Box(NamedTuple):
    """The four letters of a box, and from where to where its content goes."""

    kind: bytes
    start: int
    end: int


def in_file(file: BinaryIO, start: int, end: int) -> Iterator[Box]:
    """The boxes between two places of a file. Raises UnreadableError at the first that does not fit between them."""
    at = start
    while at + 8 <= end:
        file.seek(at)
        box = _box(file.read(16), at, end)
        if box is None:
            file.seek(at)
            _padding(file.read(min(end - at, 1 << 16)))
            return
        yield box
        at = box.end
    file.seek(at)
    _padding(file.read(end - at))


def in_bytes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """(four letters, content) of the boxes in `data`. Raises UnreadableError at the first that does not fit."""
    at = 0
    while at + 8 <= len(data):
        box = _box(data[at : at + 16], at, len(data))
        if box is None:
            _padding(data[at:])
            return
        yield box.kind, data[box.start : box.end]
        at = box.end
    _padding(data[at:])


def _box(head: bytes, at: int, end: int) -> Box | None:
    """The box that begins at `at`; None where there is none."""
    size, kind = struct.unpack_from(">I4s", head)
    start = 8
    if size == 1 and len(head) == 16:
        size, start = struct.unpack_from(">Q", head, 8)[0], 16
    elif size == 0 and kind != b"\0\0\0\0":
        size = end - at
    if size < start:
        return None
    if at + size > end:
        error = CutPictureError if kind in _PICTURES else UnreadableError
        raise error("it ends within a box: damaged or cut short")
    return Box(kind, at + start, at + size)


def _padding(rest: bytes) -> None:
    """Zeros may follow the last box; anything else is a box that is damaged."""
    if rest.strip(b"\0"):
        raise UnreadableError("one of its boxes has an impossible length")
