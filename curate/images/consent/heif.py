"""Metadata items of a HEIF or AVIF meta box (ISO 14496-12: iinf, iloc, iref, idat)."""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

from curate.images.consent.packet import LARGEST, Gap, Packet, Part, UnreadableError, inflate, read, unbrotli
from curate.images.consent.tiff import exif
from curate.images.iso_boxes import in_bytes

_IN_FILE, _IN_IDAT, _IN_ITEM = 0, 1, 2
_DEEPEST = 8
_RDF = b"application/rdf+xml"


@dataclass(frozen=True, slots=True)
class _Item:
    number: int
    kind: bytes
    content_type: bytes = b""
    encoding: bytes = b""
    protected: bool = False


@dataclass(slots=True)
class _Location:
    construction: int
    elsewhere: bool
    extents: list[tuple[int, int, int]] = field(default_factory=list[tuple[int, int, int]])
    """(index of the item that it refers to, offset, length; 0 means to the end)"""


def items(meta: bytes, file: BinaryIO) -> Iterator[Part]:
    """The XMP packets and manifest stores among the items, and the gaps where one of them cannot be read.

    Raises UnreadableError or IndexError where the lists of items or places are damaged.
    """
    boxes = dict(in_bytes(meta[4:]))
    if b"xml " in boxes:
        yield Packet("xmp", boxes[b"xml "][4:])
    wanted = [item for item in _items(boxes.get(b"iinf", b"")) if _source(item)]
    if not wanted:
        return
    store = _Store(file, boxes)
    for item in wanted:
        if item.protected:
            gap = "its metadata are encrypted"
        else:
            try:
                yield from _decoded(item, store.content(item.number))
                continue
            except UnreadableError as error:
                gap = str(error)
        if item.kind != b"Exif":  # see `exif`
            yield Gap(gap)


def _source(item: _Item) -> str:
    if item.content_type.lower() == _RDF:
        return "xmp"
    if item.kind == b"Exif":
        return "exif"
    return "c2pa" if b"c2pa" in item.content_type.lower() or item.kind == b"c2pa" else ""


def _decoded(item: _Item, data: bytes) -> Iterator[Part]:
    if item.kind == b"Exif":
        yield from exif(data[4 + int.from_bytes(data[:4], "big") :])
        return
    plain, reason = data, ""
    if item.encoding in (b"deflate", b"gzip", b"br"):
        unpack = {b"deflate": inflate, b"gzip": _gunzip, b"br": unbrotli}[item.encoding]
        plain, reason = unpack(data)
    elif item.encoding:
        reason = f"its metadata are packed in an unknown way ({item.encoding.decode('latin-1')})"
    if plain and not (reason and plain is data):
        yield Packet("xmp" if _source(item) == "xmp" else "c2pa", plain)
    if reason:
        yield Gap(reason)


def _gunzip(data: bytes) -> tuple[bytes, str]:
    try:
        return gzip.GzipFile(fileobj=io.BytesIO(data)).read(LARGEST), ""
    except (OSError, EOFError, zlib.error) as error:
        return b"", f"its packed metadata are damaged ({error})"


class _Store:
    """Where the contents of the items lie."""

    def __init__(self, file: BinaryIO, boxes: dict[bytes, bytes]) -> None:
        self._file = file
        self._idat = boxes.get(b"idat", b"")
        self._places = dict(_locations(boxes.get(b"iloc", b"")))
        self._references = dict(_references(boxes.get(b"iref", b"")))

    def content(self, item: int, depth: int = 0) -> bytes:
        """The item's bytes, its extents joined. Raises UnreadableError."""
        place = self._places.get(item)
        if place is None:
            raise UnreadableError("the place of its metadata is missing")
        if place.elsewhere:
            raise UnreadableError("its metadata are in another file")
        if depth > _DEEPEST:
            raise UnreadableError("its metadata refer to themselves")
        return b"".join(self._extent(item, place.construction, extent, depth) for extent in place.extents)

    def _extent(self, item: int, construction: int, extent: tuple[int, int, int], depth: int) -> bytes:
        index, start, length = extent
        if construction == _IN_FILE:
            end = self._file.seek(0, 2)
            self._file.seek(min(start, end))
            return read(self._file, length or max(0, end - start))
        if construction == _IN_IDAT:
            whole = self._idat
        elif construction == _IN_ITEM:
            targets = self._references.get(item, [])
            if not 1 <= (index or 1) <= len(targets):
                raise UnreadableError("the place of its metadata is missing")
            whole = self.content(targets[(index or 1) - 1], depth + 1)
        else:
            raise UnreadableError(f"the place of its metadata is given in an unknown way ({construction})")
        if start + length > len(whole) or start > len(whole):
            raise UnreadableError("the place of its metadata lies outside the file")
        return whole[start : start + length if length else None]


def _items(iinf: bytes) -> Iterator[_Item]:
    if not iinf:
        return
    for kind, entry in in_bytes(iinf[6:] if iinf[0] == 0 else iinf[8:]):
        if kind != b"infe" or not entry:
            continue
        if entry[0] < 2:
            wide, name, rest = 2, b"mime", entry[8:]
        else:
            wide = 4 if entry[0] > 2 else 2
            name, rest = entry[6 + wide : 10 + wide], entry[10 + wide :]
        number = int.from_bytes(entry[4 : 4 + wide], "big")
        protected = entry[4 + wide : 6 + wide] != b"\0\0"
        texts = rest.split(b"\0") if name == b"mime" else []  # name, content type, encoding
        content_type, encoding = [*texts[1:3], b"", b""][:2]
        yield _Item(number, name, content_type, encoding, protected)


class _Numbers:
    """Reads big-endian numbers one after the other."""

    def __init__(self, data: bytes, at: int) -> None:
        self.data, self.at = data, at

    def next(self, size: int) -> int:
        """The next number of `size` bytes; 0 of none. Raises UnreadableError at the end."""
        if self.at + size > len(self.data):
            raise UnreadableError("the list of its metadata's places ends early")
        self.at += size
        return int.from_bytes(self.data[self.at - size : self.at], "big")


def _locations(iloc: bytes) -> Iterator[tuple[int, _Location]]:
    if not iloc:
        return
    version = iloc[0]
    if version > 2:
        raise UnreadableError(f"the list of its metadata's places has an unknown version ({version})")
    numbers = _Numbers(iloc, 4)
    sizes = numbers.next(2)
    offset_size, length_size, base_size, index_size = (sizes >> shift & 15 for shift in (12, 8, 4, 0))
    wide = 4 if version == 2 else 2
    for _ in range(numbers.next(wide)):
        item = numbers.next(wide)
        construction = numbers.next(2) & 15 if version else _IN_FILE
        place = _Location(construction, elsewhere=numbers.next(2) != 0)
        base = numbers.next(base_size)
        for _ in range(numbers.next(2)):
            index = numbers.next(index_size) if version else 0
            start = base + numbers.next(offset_size)
            place.extents.append((index, start, numbers.next(length_size)))
        yield item, place


def _references(iref: bytes) -> Iterator[tuple[int, list[int]]]:
    """(item, the items that its extents lie in)."""
    if not iref:
        return
    wide = 4 if iref[0] else 2
    for kind, data in in_bytes(iref[4:]):
        if kind == b"iloc":
            numbers = _Numbers(data, 0)
            item = numbers.next(wide)
            yield item, [numbers.next(wide) for _ in range(numbers.next(2))]
