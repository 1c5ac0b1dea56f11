"""XMP packets and C2PA manifest stores in the segments of a JPEG."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import BinaryIO

from curate.images.consent.packet import Gap, Packet, Part, UnreadableError, read
from curate.images.consent.tiff import exif

_XMP = b"http://ns.adobe.com/xap/1.0/\0"
_EXIF = b"Exif\0\0"
_EXTENDED = b"http://ns.adobe.com/xmp/extension/\0"
_APP1, _APP11, _START_OF_SCAN, _END_OF_IMAGE = 0xE1, 0xEB, 0xDA, 0xD9

Pieces = dict[bytes, dict[int, bytes]]


def packets(file: BinaryIO) -> Iterator[Part]:
    """Metadata before the picture's data: XMP, XMP that goes on over several segments, JUMBF boxes in pieces."""
    extended: Pieces = defaultdict(dict)
    lengths: dict[bytes, int] = {}
    boxes: Pieces = defaultdict(dict)
    gap = ""
    try:
        for marker, data in _segments(file):
            if data.startswith(_XMP):
                yield Packet("xmp", data[len(_XMP) :])
            elif data.startswith(_EXIF):
                yield from exif(data[len(_EXIF) :])
            elif data.startswith(_EXTENDED) and len(data) > 75:
                extended[data[35:67]][int.from_bytes(data[71:75], "big")] = data[75:]
                lengths[data[35:67]] = int.from_bytes(data[67:71], "big")
            elif marker == _APP11 and data[:2] == b"JP" and len(data) > 16:
                boxes[data[2:4]][int.from_bytes(data[4:8], "big")] = data[8:]
    except UnreadableError as error:
        gap = str(error)
    for key, parts in extended.items():
        yield Packet("xmp", b"".join(parts[at] for at in sorted(parts)))
        if not _complete(parts, lengths[key]):
            yield Gap("a part of its XMP is missing")
    for parts in boxes.values():
        yield Packet("c2pa", _joined([parts[at] for at in sorted(parts)]))
        if sorted(parts) not in (list(range(len(parts))), list(range(1, len(parts) + 1))):
            yield Gap("a part of its content credentials is missing")
    if gap:
        yield Gap(gap, "metadata")


def _segments(file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """(marker, content) of the segments that may hold metadata. Raises UnreadableError where the file ends early."""
    end = file.seek(0, 2)
    file.seek(2)
    while True:
        marker = file.read(2)
        # decoders skip stray bytes before a marker and fill bytes within one
        while len(marker) == 2 and (marker[0] != 0xFF or marker[1] in (0, 0xFF)):
            marker = marker[1:] + file.read(1)
        if len(marker) < 2:
            raise UnreadableError("the file ends before its picture begins")
        if marker[1] in (_START_OF_SCAN, _END_OF_IMAGE):
            return
        if marker[1] == 1 or 0xD0 <= marker[1] <= 0xD8:
            continue
        size = int.from_bytes(read(file, 2), "big") - 2
        if size < 0 or file.tell() + size > end:
            raise UnreadableError("one of its segments has an impossible length")
        if marker[1] in (_APP1, _APP11):
            yield marker[1], read(file, size)
        else:
            file.seek(size, 1)


def _complete(parts: Mapping[int, bytes], length: int) -> bool:
    """Whether the pieces, by offset, follow one another up to the length."""
    at = 0
    for offset in sorted(parts):
        if offset > at:
            return False
        at = max(at, offset + len(parts[offset]))
    return at >= length


def _joined(parts: list[bytes]) -> bytes:
    """A JUMBF box from its APP11 pieces: each repeats the box header, which the first one alone keeps."""
    head = 16 if parts[0][:4] == b"\0\0\0\1" else 8
    return parts[0] + b"".join(part[head:] for part in parts[1:])
