"""Rare kinds of files that Pillow alone reads wrongly, and files that are no pictures at all, called what they are."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from curate.core.stage import Pixels
from curate.errors import PictureError
from curate.images import read_picture

COLOURS = np.random.default_rng(5).integers(0, 65536, (24, 40, 3)).astype(np.uint16)
GREY = COLOURS[:, :, 0]


def eighths(values: Any) -> Pixels:
    """Values of 16 bits in 8, rounded; grey as three channels."""
    found = np.rint(np.asarray(values, np.float64) / 257).astype(np.uint8)
    return found if found.ndim == 3 else np.repeat(found[:, :, None], 3, axis=2)


def tiff(samples: Any, *, bits: int, light: int = 1, apart: bool = False, kind: int = 1, order: str = "<") -> bytes:
    """An unpacked TIFF; `samples` H×W or H×W×N, each plane a strip where they lie apart."""
    height, width = samples.shape[:2]
    count = 1 if samples.ndim == 2 else samples.shape[2]
    strips = [samples[:, :, n].tobytes() for n in range(count)] if apart else [samples.tobytes()]
    data = b"".join(strips)
    places = [8 + sum(map(len, strips[:n])) for n in range(len(strips))]
    after = 8 + len(data)
    lists = {258: (3, [bits] * count), 273: (4, places), 279: (4, [len(s) for s in strips]), 339: (3, [kind] * count)}
    single = {256: width, 257: height, 259: 1, 262: light, 277: count, 278: height, 284: 2 if apart else 1}
    entries, extra = b"", b""
    tags = sorted([*lists.items(), *((tag, (3, [value])) for tag, value in single.items())])
    for tag, (code, values) in tags:
        body = struct.pack(f"{order}{len(values)}{'H' if code == 3 else 'I'}", *values)
        if len(body) > 4:
            place = after + len(extra)
            extra += body
            body = struct.pack(f"{order}I", place)
        entries += struct.pack(f"{order}HHI", tag, code, len(values)) + body.ljust(4, b"\0")
    start = after + len(extra)
    magic = b"II*\0" if order == "<" else b"MM\0*"
    head = magic + struct.pack(f"{order}I", start)
    return head + data + extra + struct.pack(f"{order}H", len(tags)) + entries + bytes(4)


TIFFS: dict[str, tuple[bytes, Pixels, int]] = {
    "16 bits, rounded": (tiff(COLOURS, bits=16, light=2), eighths(COLOURS), 0),
    "planes of 16 bits": (tiff(COLOURS, bits=16, light=2, apart=True), eighths(COLOURS), 1),
    "planes of 16 bits, other order": (
        tiff(COLOURS.astype(">u2"), bits=16, light=2, apart=True, order=">"),
        eighths(COLOURS),
        1,
    ),
    "white is 0, 16 bits": (tiff(65535 - GREY, bits=16, light=0), eighths(GREY), 0),
    "white is 0, floats": (tiff((1 - GREY / 65535).astype(np.float32), bits=32, light=0, kind=3), eighths(GREY), 1),
    "white is 0, 8 bits": (tiff(255 - eighths(GREY)[:, :, 0], bits=8, light=0), eighths(GREY), 0),
    "signed bytes": (tiff((eighths(GREY)[:, :, 0] ^ 0x80).view(np.int8), bits=8, kind=2), eighths(GREY), 0),
}


@pytest.mark.parametrize("name", TIFFS)
def test_unusual_tiffs_are_seen_as_they_are(tmp_path: Path, name: str) -> None:
    content, expected, bound = TIFFS[name]
    (tmp_path / "a.tif").write_bytes(content)
    found = read_picture(tmp_path / "a.tif").pixels
    assert found.shape == expected.shape
    assert np.abs(found.astype(int) - expected).max() <= bound


@pytest.mark.parametrize(("bits", "row"), [(1, b"\x50"), (2, b"\x1b\x1b"), (4, b"\x01\x23\x45\x67")])
def test_a_transparent_grey_of_few_bits(tmp_path: Path, bits: int, row: bytes) -> None:
    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    parts = [
        chunk(b"IHDR", struct.pack(">IIBBBBB", 8, 1, bits, 0, 0, 0, 0)),
        chunk(b"tRNS", struct.pack(">H", 0)),
        chunk(b"IDAT", zlib.compress(b"\0" + row)),
        chunk(b"IEND", b""),
    ]
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts))
    values = np.unpackbits(np.frombuffer(row, np.uint8)).reshape(8, bits) @ (1 << np.arange(bits)[::-1])
    for clear in range(min(4, 1 << bits)):
        parts[1] = chunk(b"tRNS", struct.pack(">H", clear))
        (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts))
        expected = np.where(values == clear, 255, values * (255 // ((1 << bits) - 1)))
        assert read_picture(tmp_path / "a.png").pixels[0, :, 0].tolist() == expected.tolist()


STRANGERS = {
    "a pointer.png": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n", "git lfs pull"),
    "a page.jpg": (b"\n<!DOCTYPE html><html><body>not found", "a web page"),
    "a drawing.png": (b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"/>', "SVG"),
    "a document.png": (b"%PDF-1.7\n%%EOF", "PDF"),
    "an archive.png": (b"PK\3\4" + bytes(60), "archive"),
    "a film.jpg": (b"\0\0\0\x20ftypisom" + bytes(60), "video"),
    "raw.tif": (b"II*\0\x10\0\0\0CR\2\0" + bytes(60), "raw file"),
    "light.png": (b"\x76\x2f\x31\x01" + bytes(60), "OpenEXR"),
    "deep.psd": (b"8BPS\0\1" + bytes(6) + struct.pack(">HIIHH", 3, 4, 4, 16, 3) + bytes(120), "more than 8 bits"),
    "floats of three colours.tif": (
        tiff(COLOURS.astype(np.float32), bits=32, light=2, kind=3),
        "TIFF of an unusual kind",
    ),
    "from a telephone.png": (b"\x89PNG\r\n\x1a\n\0\0\0\4CgBI\x50\0\x20\x02" + bytes(40), "CgBI"),
    "nothing known.png": (b"hello", "not a picture in any known format"),
}


@pytest.mark.parametrize("name", STRANGERS)
def test_what_is_no_picture_is_called_what_it_is(tmp_path: Path, name: str) -> None:
    content, reason = STRANGERS[name]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(PictureError) as refused:
        read_picture(tmp_path / name)
    assert reason in refused.value.message
