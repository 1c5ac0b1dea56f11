"""Metadata items of a HEIF or AVIF meta box (ISO 14496-12: iinf, iloc, idat)."""

from __future__ import annotations

import struct
from collections.abc import Iterator

Extents = list[tuple[int, int]]


def rdf_items(meta: bytes) -> Iterator[tuple[bytes | None, Extents]]:
    """For each item of type application/rdf+xml: its bytes where they stand in the meta box itself, else its file extents.

    An extent is (offset in the file, length; 0 means to the end). Raises struct.error or IndexError on broken boxes.
    """
    found = dict(_boxes(meta[4:]))
    wanted = set(_rdf(found.get(b"iinf", b"")))
    if not wanted:
        return
    for item, construction, extents in _locations(found.get(b"iloc", b"")):
        if item not in wanted:
            continue
        if construction == 1:
            idat = found.get(b"idat", b"")
            yield b"".join(idat[start : start + length if length else None] for start, length in extents), []
        elif construction == 0:
            yield None, extents


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 0
    while at + 8 <= len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        head = 8
        if size == 1:
            size, head = struct.unpack_from(">Q", data, at + 8)[0], 16
        size = size or len(data) - at
        if size < head:
            return
        yield kind, data[at + head : at + size]
        at += size


def _rdf(iinf: bytes) -> Iterator[int]:
    """Identifiers of the items whose content type is RDF/XML."""
    if not iinf:
        return
    for kind, entry in _boxes(iinf[6:] if iinf[0] == 0 else iinf[8:]):
        if kind != b"infe" or not entry or entry[0] < 2:
            continue
        wide = entry[0] > 2
        item = int.from_bytes(entry[4 : 8 if wide else 6], "big")
        rest = entry[10 if wide else 8 :]
        if rest[:4] == b"mime" and rest[4:].split(b"\0")[1:2] == [b"application/rdf+xml"]:
            yield item


def _locations(iloc: bytes) -> Iterator[tuple[int, int, Extents]]:
    """(item, construction method, extents) of an item location box."""
    if not iloc:
        return
    version = iloc[0]
    offset_size, length_size, base_size = iloc[4] >> 4, iloc[4] & 15, iloc[5] >> 4
    index_size = iloc[5] & 15 if version else 0
    at = 6

    def number(size: int) -> int:
        nonlocal at
        if at + size > len(iloc):
            raise ValueError("item locations end early")
        at += size
        return int.from_bytes(iloc[at - size : at], "big")

    for _ in range(number(4 if version == 2 else 2)):
        item = number(4 if version == 2 else 2)
        construction = number(2) & 15 if version else 0
        number(2)
        base = number(base_size)
        extents: Extents = []
        for _ in range(number(2)):
            number(index_size)
            start = base + number(offset_size)
            extents.append((start, number(length_size)))
        yield item, construction, extents
