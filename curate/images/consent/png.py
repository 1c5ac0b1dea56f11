"""XMP packets and C2PA manifest stores in the chunks of a PNG."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import BinaryIO

from curate.images.consent.packet import Gap, Packet, Part, UnreadableError, inflate, read
from curate.images.consent.tiff import exif
from curate.images.iso_boxes import CutPictureError

_KEYWORD = b"XML:com.adobe.xmp"
_RAW = b"Raw profile type "  # ImageMagick's way: the packet as hexadecimal digits
_JPEG_HEAD = b"http://ns.adobe.com/xap/1.0/\0"


def packets(file: BinaryIO, start: int = 0) -> Iterator[Part]:
    """Text chunks, packed or not, before and after the picture, and caBX.

    `start` is where the PNG begins in the file. Raises UnreadableError where the file ends early, CutPictureError
    where it does so after its picture began.
    """
    error = UnreadableError
    end = file.seek(0, 2)
    file.seek(start + 8)
    while len(head := file.read(8)) == 8:
        size, kind = struct.unpack(">I4s", head)
        after = file.tell() + size + 4
        if kind == b"IEND":
            return
        if kind == b"IDAT":
            error = CutPictureError
        if after > end:
            within = error if kind == b"IDAT" else UnreadableError
            raise within("the file is truncated")
        if kind == b"caBX":
            yield Packet("c2pa", read(file, size))
        elif kind == b"eXIf":
            yield from exif(read(file, size))
        elif kind in (b"iTXt", b"tEXt", b"zTXt"):
            yield from _text(kind, file, size)
        file.seek(after)
    raise error("the file is truncated")


def _text(kind: bytes, file: BinaryIO, size: int) -> Iterator[Part]:
    head = file.read(min(size, 80))  # a keyword is 79 bytes at most
    keyword = head.partition(b"\0")[0]
    raw = keyword.startswith(_RAW) and keyword[len(_RAW) :].strip().lower() in (b"xmp", b"app1")
    if keyword != _KEYWORD and not raw:
        return
    data = head + read(file, size - len(head))
    packed, text = _parts(kind, data[len(keyword) + 1 :])
    reason = ""
    if packed is None:
        yield Gap("its XMP is packed in an unknown way")
        return
    if packed:
        text, reason = inflate(text)
    if raw and text:
        try:
            text = bytes.fromhex(b"".join(text.split()[2:]).decode("ascii")).removeprefix(_JPEG_HEAD)
        except ValueError:
            text, reason = b"", "its XMP is written as digits, and they are damaged"
    if text:
        yield Packet("xmp", text)
    if reason:
        yield Gap(reason)


def _parts(kind: bytes, data: bytes) -> tuple[bool | None, bytes]:
    """Whether the text after the keyword is packed (None: by no known method), and the text."""
    if kind == b"tEXt":
        return False, data
    if kind == b"zTXt":
        return (True if data[:1] == b"\0" else None), data[1:]
    text = data[2:].split(b"\0", 2)[-1]
    if data[:1] == b"\0":
        return False, text
    return (True if data[:2] == b"\1\0" else None), text
