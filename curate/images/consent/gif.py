"""XMP packets and C2PA manifest stores in the application extensions of a GIF."""

from __future__ import annotations

from collections.abc import Iterator

from curate.images.consent.packet import Packet, Part, UnreadableError
from curate.images.iso_boxes import CutPictureError

_END, _IMAGE, _EXTENSION, _APPLICATION = 0x3B, 0x2C, 0x21, 0xFF


def packets(data: bytes) -> Iterator[Part]:
    """Walks the blocks of a whole file; its last byte, which many programs leave out, may be missing.

    Raises IndexError or UnreadableError where it ends early or has a block of no known kind, CutPictureError where
    it ends within a frame.
    """
    at = 13 + _table(data[10])
    while at < len(data) and data[at] != _END:
        kind, at = data[at], at + 1
        if kind == _IMAGE:
            at = _after_frame(data, at)
        elif kind == 0:
            continue  # decoders pass over stray zeros between blocks
        elif kind != _EXTENSION:
            raise UnreadableError("it has a block of an unknown kind")
        elif data[at] == _APPLICATION and data[at + 1] == 11:
            name, start = data[at + 2 : at + 13], at + 13
            at = _skip(data, start)
            if name == b"XMP DataXMP":
                # the packet stands bare, its characters read as block lengths, followed by a trailer that ends any walk
                yield Packet("xmp", data[start : data.rfind(b">", start, at) + 1])
            elif name[:8] == b"C2PA_GIF":
                yield Packet("c2pa", b"".join(_blocks(data, start)))
        else:
            at = _skip(data, at + 1)


def _after_frame(data: bytes, at: int) -> int:
    try:
        return _skip(data, at + 9 + _table(data[at + 8]) + 1)
    except IndexError:
        raise CutPictureError("it ends within a frame: damaged or cut short") from None


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
