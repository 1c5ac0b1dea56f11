"""The colours that a file declares by code points of ITU-T H.273: a PNG's cICP chunk, HEIF's or AVIF's nclx box."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

from PIL import Image

from curate.images.iso_boxes import Box, UnreadableError, in_bytes, in_file

UNSPECIFIED = 2
_BOX_FORMATS = frozenset({"HEIF", "AVIF"})
_LARGEST = 16 << 20  # bytes of a meta box
# how much stands before the boxes in those that do not begin with them
_HEADS = {b"meta": 4, b"stsd": 8, b"av01": 78, b"hvc1": 78, b"hev1": 78}
_TRACK = (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd")


class CodePoints(NamedTuple):
    """Numbers of H.273: ColourPrimaries, TransferCharacteristics, and whether samples use the full range."""

    primaries: int
    transfer: int
    full_range: bool = True


def of(image: Image.Image) -> CodePoints | None:
    """The code points that count for an opened picture; None where there are none.

    In a PNG they go before a profile (third edition, 4.3), in HEIF and AVIF a profile goes before them (ISO 23000-22,
    7.3.6.4). The range of HEIF and AVIF is settled by their decoders. A PNG's with a matrix are void: PNG holds RGB.
    """
    path = Path(str(getattr(image, "filename", "")))
    try:
        if image.format == "PNG":
            return _of_png(path)
        if image.format in _BOX_FORMATS and "icc_profile" not in image.info:
            with path.open("rb") as file:
                return _of_boxes(file)
    except (OSError, UnreadableError, IndexError, struct.error):
        return None
    return None


def _of_png(path: Path) -> CodePoints | None:
    with path.open("rb") as file:
        file.seek(8)
        while len(head := file.read(8)) == 8:
            length, kind = struct.unpack(">I4s", head)
            if kind in (b"IDAT", b"IEND"):
                return None
            if kind == b"cICP" and length == 4:
                primaries, transfer, matrix, full = file.read(4)
                return CodePoints(primaries, transfer, full == 1) if matrix == 0 and full < 2 else None
            file.seek(length + 4, 1)
    return None


def _of_boxes(file: BinaryIO) -> CodePoints | None:
    for box in in_file(file, 0, file.seek(0, 2)):
        if box.kind == b"meta" and (points := _of_meta(_content(file, box))):
            return points
        if box.kind == b"moov" and (points := _of_track(_content(file, box), _TRACK[1:])):
            return points
    return None


def _content(file: BinaryIO, box: Box) -> bytes:
    if box.end - box.start > _LARGEST:
        raise UnreadableError("a box of metadata is too large")
    file.seek(box.start)
    return file.read(box.end - box.start)


def _of_meta(meta: bytes) -> CodePoints | None:
    """The nclx property of the primary item."""
    boxes = dict(in_bytes(meta[_HEADS[b"meta"] :]))
    pitm = boxes.get(b"pitm", b"")
    properties = list(in_bytes(boxes.get(b"iprp", b"")))
    container = next((data for kind, data in properties if kind == b"ipco"), b"")
    all_properties = list(in_bytes(container))
    primary = int.from_bytes(pitm[4 : 8 if pitm[:1] == b"\1" else 6], "big")
    for kind, data in properties:
        if kind != b"ipma":
            continue
        for index in _associated(data, primary):
            if 1 <= index <= len(all_properties) and all_properties[index - 1][0] == b"colr":
                points = _nclx(all_properties[index - 1][1])
                if points:
                    return points
    return None


def _associated(ipma: bytes, item: int) -> Iterator[int]:
    """Numbers of the properties of an item, from 1 on."""
    version, wide_index = ipma[0], ipma[3] & 1
    count, at = int.from_bytes(ipma[4:8], "big"), 8
    id_size, index_size = (4 if version else 2), (2 if wide_index else 1)
    mask = 0x7FFF if wide_index else 0x7F
    for _ in range(count):
        number = int.from_bytes(ipma[at : at + id_size], "big")
        properties, at = ipma[at + id_size], at + id_size + 1
        for _ in range(properties):
            if number == item:
                yield int.from_bytes(ipma[at : at + index_size], "big") & mask
            at += index_size


def _of_track(data: bytes, path: tuple[bytes, ...]) -> CodePoints | None:
    """The nclx box of an image sequence's first picture track."""
    for kind, content in in_bytes(data):
        if path and kind == path[0]:
            points = _of_track(content[_HEADS.get(kind, 0) :], path[1:])
        elif not path and kind in _HEADS:
            points = _of_track(content[_HEADS[kind] :], ())
        else:
            points = _nclx(content) if kind == b"colr" else None
        if points:
            return points
    return None


def _nclx(colr: bytes) -> CodePoints | None:
    if colr[:4] != b"nclx" or len(colr) < 10:
        return None
    primaries, transfer = struct.unpack(">HH", colr[4:8])
    return CodePoints(primaries, transfer)
