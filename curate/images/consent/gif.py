"""XMP packets and C2PA manifest stores in the application extensions of a GIF."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal


def extensions(data: bytes) -> Iterator[tuple[Literal["xmp", "c2pa"], bytes]]:
    """Walks the blocks of a whole file. Raises IndexError where it ends early."""
    at = 13 + _table(data[10])
    while data[at] != 0x3B:
        kind, at = data[at], at + 1
        if kind == 0x2C:
            at += 9 + _table(data[at + 8]) + 1
            at = _skip(data, at)
        elif kind != 0x21:
            return
        elif data[at] == 0xFF and data[at + 1] == 11:
            name, start = data[at + 2 : at + 13], at + 13
            at = _skip(data, start)
            if name == b"XMP DataXMP":
                # the packet stands bare, its characters read as block lengths, followed by a trailer that ends any walk
                yield "xmp", data[start : data.rfind(b">", start, at) + 1]
            elif name[:8] == b"C2PA_GIF":
                yield "c2pa", b"".join(_blocks(data, start))
        else:
            at = _skip(data, at + 1)


def _table(flags: int) -> int:
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def _skip(data: bytes, at: int) -> int:
    while size := data[at]:
        at += size + 1
    return at + 1


def _blocks(data: bytes, at: int) -> Iterator[bytes]:
    while size := data[at]:
        yield data[at + 1 : at + 1 + size]
        at += size + 1
