"""Which reader looks for XMP packets and C2PA manifest stores in a file: headers alone are read, never pixels."""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from typing import BinaryIO

from curate.images.consent import bmff, gif, jpeg, png, tiff, webp
from curate.images.consent.packet import LARGEST, Packet, Part

_PNG = b"\x89PNG\r\n\x1a\n"
_NESTED = (b"\0\0\1\0", b"\0\0\2\0", b"icns")  # icons and cursors hold whole PNG files


def packets(file: BinaryIO) -> Iterator[Part]:
    """Every XMP packet and manifest store of a JPEG, PNG, WebP, TIFF, HEIF, AVIF, JPEG XL, JPEG 2000 or GIF file.

    In any other file what shows by search. Yields what comes before any damage; may raise what parsing broken bytes
    raises (OSError, ValueError, IndexError, struct.error).
    """
    head = file.read(16)
    file.seek(0)
    if head[:2] == b"\xff\xd8":
        yield from jpeg.packets(file)
    elif head[:8] == _PNG:
        yield from png.packets(file)
    elif head[:4] == b"RIFF":
        yield from webp.packets(file)
    elif head[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        yield from tiff.packets(file)
    elif head[4:8] in (b"ftyp", b"JXL ", b"jP  "):
        yield from bmff.packets(file)
    elif head[:4] == b"GIF8":
        yield from gif.packets(file.read())
    elif head[:2] != b"\xff\x0a":  # a bare JPEG XL stream holds nothing but the picture
        yield from _search(file, nested=head[:4] in _NESTED)


def _search(file: BinaryIO, nested: bool) -> Iterator[Part]:
    """For containers without a reader here (PSD, JPEG 2000 streams, …): packets and stores that lie whole in them."""
    if not file.seek(0, 2):
        return
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as view:
        for tag in (b"x:xmpmeta", b"rdf:RDF"):
            yield from _elements(view, tag)
        label = view.find(b"jumb\0\0\0")
        while label >= 4:
            size = int.from_bytes(view[label - 4 : label], "big")
            yield Packet("c2pa", view[label - 4 : label - 4 + min(size, LARGEST)])
            label = view.find(b"jumb\0\0\0", label + max(size - 4, 4))
        starts = [view.find(_PNG)] if nested else []
        while starts and starts[-1] >= 0:
            starts.append(view.find(_PNG, starts[-1] + 1))
    for start in starts[:-1]:
        yield from png.packets(file, start)


def _elements(view: mmap.mmap, tag: bytes) -> Iterator[Part]:
    at = view.find(b"<" + tag)
    while at >= 0:
        close = b"</" + tag + b">"
        end = view.find(close, at)
        yield Packet("xmp", view[at : min(end + len(close) if end >= 0 else len(view), at + LARGEST)])
        at = view.find(b"<" + tag, end) if end >= 0 else -1
