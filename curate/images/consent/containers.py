"""Where picture files keep XMP packets and C2PA manifest stores: only their headers are read, never their pixels."""

from __future__ import annotations

import mmap
import struct
import zlib
from collections import defaultdict
from collections.abc import Iterator
from typing import BinaryIO, Literal

from curate.images.consent.gif import extensions
from curate.images.consent.heif import rdf_items

Found = tuple[Literal["xmp", "c2pa"], bytes]

_MOST = 64 << 20
_XMP_UUID = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")
_C2PA_UUID = bytes.fromhex("d8fec3d61b0e483c92975828877ec481")


def packets(file: BinaryIO) -> Iterator[Found]:
    """Every XMP packet and manifest store of a JPEG, PNG, WebP, TIFF, ISO-BMFF, JPEG XL or GIF file.

    In any other file what shows by search.

    Yields what comes before any damage; may raise what parsing broken bytes raises (OSError, ValueError, struct.error).
    """
    head = file.read(16)
    file.seek(0)
    if head[:2] == b"\xff\xd8":
        yield from _jpeg(file)
    elif head[:8] == b"\x89PNG\r\n\x1a\n":
        yield from _png(file)
    elif head[:4] == b"RIFF":
        yield from _riff(file)
    elif head[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        yield from _tiff(file)
    elif head[4:8] in (b"ftyp", b"JXL ", b"jP  "):
        yield from _bmff(file)
    elif head[:4] == b"GIF8":
        yield from extensions(file.read())
    else:
        yield from _search(file)


def _take(file: BinaryIO, size: int) -> bytes:
    return file.read(min(max(size, 0), _MOST))


def _jpeg(file: BinaryIO) -> Iterator[Found]:
    extended: dict[bytes, dict[int, bytes]] = defaultdict(dict)
    boxes: dict[bytes, dict[int, bytes]] = defaultdict(dict)
    file.seek(2)
    while True:
        marker = file.read(2)
        # decoders skip stray bytes before a marker and fill bytes within one
        while len(marker) == 2 and (marker[0] != 0xFF or marker[1] in (0, 0xFF)):
            marker = marker[1:] + file.read(1)
        if len(marker) < 2 or marker[1] in (0xDA, 0xD9):
            break
        if marker[1] == 1 or 0xD0 <= marker[1] <= 0xD7:
            continue
        raw = file.read(2)
        if len(raw) < 2:
            break
        size = int.from_bytes(raw, "big") - 2
        if marker[1] not in (0xE1, 0xEB):
            file.seek(size, 1)
            continue
        data = file.read(max(size, 0))
        if data.startswith(b"http://ns.adobe.com/xap/1.0/\0"):
            yield "xmp", data[29:]
        elif data.startswith(b"http://ns.adobe.com/xmp/extension/\0") and len(data) > 75:
            extended[data[35:67]][int.from_bytes(data[71:75], "big")] = data[75:]
        elif marker[1] == 0xEB and data[:2] == b"JP" and len(data) > 16:
            boxes[data[2:4]][int.from_bytes(data[4:8], "big")] = data[8:]
    for parts in extended.values():
        yield "xmp", b"".join(parts[at] for at in sorted(parts))
    for parts in boxes.values():
        yield "c2pa", _joined([parts[at] for at in sorted(parts)])


def _joined(parts: list[bytes]) -> bytes:
    """A JUMBF box from its APP11 pieces: each repeats the box header, which the first one alone keeps."""
    head = 16 if parts[0][:4] == b"\0\0\0\1" else 8
    return parts[0] + b"".join(part[head:] for part in parts[1:])


def _png(file: BinaryIO) -> Iterator[Found]:
    file.seek(8)
    while len(raw := file.read(8)) == 8:
        size, kind = struct.unpack(">I4s", raw)
        if kind == b"IEND":
            return
        if kind in (b"iTXt", b"tEXt", b"zTXt", b"caBX"):
            data = _take(file, size)
            file.seek(size - len(data) + 4, 1)
            if kind == b"caBX":
                yield "c2pa", data
            elif text := _png_text(kind, data):
                yield "xmp", text
        else:
            file.seek(size + 4, 1)


def _png_text(kind: bytes, data: bytes) -> bytes:
    """The XMP packet of a text chunk; ImageMagick writes it as hexadecimal digits under a keyword of its own."""
    keyword, _, rest = data.partition(b"\0")
    if keyword == b"XML:com.adobe.xmp":
        if kind == b"iTXt":
            packed, rest = rest[:1] == b"\1", rest[2:].split(b"\0", 2)[-1]
        else:
            packed, rest = kind == b"zTXt", rest[1:] if kind == b"zTXt" else rest
        return _inflate(rest) if packed else rest
    if keyword.startswith(b"Raw profile type ") and keyword[17:].strip().lower() in (b"xmp", b"app1"):
        text = _inflate(rest[1:]) if kind == b"zTXt" else rest[2:].split(b"\0", 2)[-1] if kind == b"iTXt" else rest
        plain = bytes.fromhex(b"".join(text.split()[2:]).decode("ascii", "replace"))
        return plain.removeprefix(b"http://ns.adobe.com/xap/1.0/\0")
    return b""


def _inflate(data: bytes) -> bytes:
    return zlib.decompressobj().decompress(data, _MOST)


def _riff(file: BinaryIO) -> Iterator[Found]:
    file.seek(12)
    while len(raw := file.read(8)) == 8:
        kind, size = struct.unpack("<4sI", raw)
        if kind in (b"XMP ", b"C2PA"):
            data = _take(file, size)
            yield ("xmp" if kind == b"XMP " else "c2pa"), data
            file.seek(size - len(data) + size % 2, 1)
        else:
            file.seek(size + size % 2, 1)


def _tiff(file: BinaryIO) -> Iterator[Found]:
    """Tags 700 (XMP) and 52545 (C2PA) of every directory, in classic and big files."""
    head = file.read(16)
    order = "<" if head[:2] == b"II" else ">"
    big = head[2:4] in (b"+\0", b"\0+")
    count, entry, offset = ("Q", "HHQQ", "Q") if big else ("H", "HHII", "I")
    at = struct.unpack_from(order + offset, head, 8 if big else 4)[0]
    seen: set[int] = set()
    while at and at not in seen and len(seen) < 256:
        seen.add(at)
        file.seek(at)
        entries = struct.unpack(order + count, file.read(struct.calcsize(order + count)))[0]
        size = struct.calcsize(order + entry)
        table = _take(file, min(entries, 65535) * size + struct.calcsize(order + offset))
        for place in range(0, len(table) - size + 1, size):
            if place // size >= entries:
                break
            tag, kind, length, where = struct.unpack_from(order + entry, table, place)
            if tag in (700, 52545) and kind in (1, 2, 6, 7):
                file.seek(where)
                yield ("xmp" if tag == 700 else "c2pa"), _take(file, length)
        at = struct.unpack_from(order + offset, table, entries * size)[0]


def _bmff(file: BinaryIO) -> Iterator[Found]:
    """Top-level uuid, xml, jumb boxes, and the metadata items that the meta box points to (HEIF, AVIF)."""
    at, end = 0, file.seek(0, 2)
    while at + 8 <= end:
        file.seek(at)
        size, kind = struct.unpack(">I4s", file.read(8))
        head = 8
        if size == 1:
            size, head = struct.unpack(">Q", file.read(8))[0], 16
        elif size == 0:
            size = end - at
        if size < head:
            return
        if kind == b"meta":
            yield from _meta(file, _take(file, size - head))
        elif kind == b"uuid":
            yield from _uuid(_take(file, size - head))
        elif kind in (b"xml ", b"jumb"):
            file.seek(at + (head if kind == b"xml " else 0))
            yield ("xmp" if kind == b"xml " else "c2pa"), _take(file, size)
        elif kind == b"brob":
            yield from _brotli(_take(file, size - head))
        at += size


def _uuid(data: bytes) -> Iterator[Found]:
    if data[:16] == _XMP_UUID:
        yield "xmp", data[16:]
    elif data[:16] == _C2PA_UUID:
        purpose, _, rest = data[20:].partition(b"\0")
        if purpose in (b"manifest", b"original", b"update"):
            yield "c2pa", rest[8:]


def _brotli(data: bytes) -> Iterator[Found]:
    """A compressed box of JPEG XL; without a brotli library it cannot be looked into."""
    if data[:4] not in (b"xml ", b"jumb"):
        return
    try:
        import brotli  # pyright: ignore[reportMissingImports]
    except ImportError:
        return
    try:
        plain: bytes = brotli.decompress(data[4:])
    except brotli.error as error:
        raise ValueError(str(error)) from error
    if data[:4] == b"xml ":
        yield "xmp", plain
    else:
        yield "c2pa", struct.pack(">I4s", len(plain) + 8, b"jumb") + plain


def _meta(file: BinaryIO, data: bytes) -> Iterator[Found]:
    """The items of a meta box whose content type is RDF/XML."""
    for in_meta, extents in rdf_items(data):
        if in_meta is not None:
            yield "xmp", in_meta
            continue
        parts: list[bytes] = []
        for start, length in extents:
            file.seek(start)
            parts.append(_take(file, length or _MOST))
        yield "xmp", b"".join(parts)


def _search(file: BinaryIO) -> Iterator[Found]:
    """For containers without a reader here (PSD, JPEG 2000 streams, …): packets and stores that stand whole in the bytes."""
    try:
        view = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except (ValueError, OSError):
        return
    with view:
        at = view.find(b"<x:xmpmeta")
        while at >= 0:
            end = view.find(b"</x:xmpmeta>", at)
            yield "xmp", view[at : min(end + 12 if end >= 0 else len(view), at + _MOST)]
            at = view.find(b"<x:xmpmeta", end) if end >= 0 else -1
        label = view.find(b"jumb\0\0\0")
        while label >= 4:
            size = int.from_bytes(view[label - 4 : label], "big")
            yield "c2pa", view[label - 4 : label - 4 + min(size, _MOST)]
            label = view.find(b"jumb\0\0\0", label + max(size - 4, 4))
