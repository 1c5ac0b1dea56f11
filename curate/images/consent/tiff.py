"""XMP packets and C2PA manifest stores in the directories of a TIFF."""

from __future__ import annotations

import contextlib
import io
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from curate.images.consent.packet import Packet, Part, UnreadableError, read

_XMP, _C2PA, _SUB_DIRECTORIES = 700, 52545, 330
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 6: 1, 7: 1, 8: 2, 9: 4, 13: 4, 16: 8, 17: 8, 18: 8}
_MOST_DIRECTORIES = 4096


@dataclass(frozen=True, slots=True)
class _Layout:
    """Byte order and the formats of a count, an entry and an offset."""

    order: str
    count: str
    entry: str
    offset: str

    def number(self, form: str, data: bytes) -> int:
        return struct.unpack(self.order + form, data)[0]

    def size(self, form: str) -> int:
        return struct.calcsize(self.order + form)


def packets(file: BinaryIO) -> Iterator[Part]:
    """Tags 700 (XMP) and 52545 (C2PA) of every directory, in classic and big files.

    Raises UnreadableError where a directory or the value of such a tag lies outside the file.
    """
    head = file.read(16)
    order = "<" if head[:2] == b"II" else ">"
    big = head[2:4] in (b"+\0", b"\0+")
    layout = _Layout(order, "Q", "HHQQ", "Q") if big else _Layout(order, "H", "HHII", "I")
    start = 8 if big else 4
    waiting = [
        layout.number(layout.offset, head[start : start + layout.size(layout.offset)].ljust(8 if big else 4, b"\0"))
    ]
    done: set[int] = set()
    while waiting:
        at = waiting.pop()
        if not at or at in done:
            continue
        if len(done) >= _MOST_DIRECTORIES:
            raise UnreadableError(f"it has more than {_MOST_DIRECTORIES} directories")
        done.add(at)
        yield from _directory(file, at, layout, waiting)


def exif(block: bytes) -> Iterator[Part]:
    """Packets in the Exif block of another container.

    No standard keeps XMP there, and the Exif of cameras is often damaged: what cannot be read is no gap.
    """
    with contextlib.suppress(ValueError, OverflowError, struct.error):
        for part in packets(io.BytesIO(block)):
            if isinstance(part, Packet):
                yield part


def _directory(file: BinaryIO, at: int, layout: _Layout, waiting: list[int]) -> Iterator[Part]:
    """The packets of one directory; adds the places of the next one and of those below it to `waiting`."""
    end = file.seek(0, 2)
    if at > end:
        raise UnreadableError("one of its directories lies outside the file")
    file.seek(at)
    count = layout.number(layout.count, read(file, layout.size(layout.count)))
    size, width = layout.size(layout.entry), layout.size(layout.offset)
    table = read(file, count * size)
    following = file.read(width)  # some programs leave it out at the end of a file
    if len(following) == width:
        waiting.append(layout.number(layout.offset, following))
    for place in range(0, len(table), size):
        tag, kind, length, where = struct.unpack_from(layout.order + layout.entry, table, place)
        if tag not in (_XMP, _C2PA, _SUB_DIRECTORIES) or kind not in _SIZES:
            continue
        total = length * _SIZES[kind]
        if total <= width:
            value = table[place + size - width : place + size - width + total]
        else:
            file.seek(min(where, end))
            value = read(file, total)
        if tag == _SUB_DIRECTORIES:
            form = {4: "I", 13: "I", 16: "Q", 18: "Q"}.get(kind)
            waiting += struct.unpack(f"{layout.order}{length}{form}", value) if form else ()
        else:
            yield Packet("xmp" if tag == _XMP else "c2pa", value)
