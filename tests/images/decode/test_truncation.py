"""Files whose data end before their picture does, though decoders say nothing: set aside, or cut."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter

from curate.core.stage import Pixels
from curate.errors import PictureError
from curate.images import DecodeOptions, read_picture

HEIGHT, WIDTH = 150, 200


def scene() -> Pixels:
    noise = np.random.default_rng(3).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(noise).filter(ImageFilter.GaussianBlur(3)))


SCENE = scene()


def jpeg(image: Image.Image | None = None, **options: object) -> bytes:
    buffer = io.BytesIO()
    (image or Image.fromarray(SCENE)).save(buffer, "JPEG", quality=95, **options)
    return buffer.getvalue()


def ended(data: bytes, share: float) -> bytes:
    """Cut, and closed as if it were whole."""
    return data[: int(len(data) * share)] + b"\xff\xd9"


def taller(data: bytes, height: int) -> bytes:
    at = max(data.find(b"\xff\xc0"), data.find(b"\xff\xc2"))
    return data[: at + 5] + struct.pack(">H", height) + data[at + 7 :]


def chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png(
    rows: Pixels, *before: tuple[bytes, bytes], after: tuple[tuple[bytes, bytes], ...] = (), passes: bool = False
) -> bytes:
    header = struct.pack(">IIBBBBB", WIDTH, HEIGHT, 8, 2, 0, 0, passes)
    data = zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows))
    parts = [(b"IHDR", header), *before, (b"IDAT", data), *after, (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts)


def tiff(change: tuple[int, int]) -> bytes:
    """An uncompressed TIFF of several strips, in which a tag is given another first value."""
    buffer = io.BytesIO()
    Image.fromarray(SCENE).save(buffer, "TIFF", tiffinfo={278: 10})
    data = bytearray(buffer.getvalue())
    at = struct.unpack_from("<I", data, 4)[0]
    for place in range(at + 2, at + 2 + 12 * struct.unpack_from("<H", data, at)[0], 12):
        tag, _, count, value = struct.unpack_from("<HHII", data, place)
        if tag == change[0]:
            struct.pack_into(
                "<I" if count > 1 else "<HHII",
                data,
                *((value, change[1]) if count > 1 else (place, tag, 4, 1, change[1])),
            )
    return bytes(data)


SHORT: dict[str, tuple[Callable[[], bytes], int]] = {
    "ended.jpg": (lambda: ended(jpeg(), 0.6), 112),
    "taller.jpg": (lambda: taller(jpeg(), 400), 176),
    "ended, grey.jpg": (lambda: ended(jpeg(Image.fromarray(SCENE).convert("L")), 0.6), 96),
    "ended, CMYK.jpg": (lambda: ended(jpeg(Image.fromarray(SCENE).convert("CMYK")), 0.6), 112),
    "taller, with restarts.jpg": (lambda: taller(jpeg(restart_marker_rows=1), 400), 176),
    "ended, progressive.jpg": (lambda: ended(jpeg(progressive=True), 0.5), HEIGHT),
    "ended in the last scan.jpg": (lambda: ended(jpeg(progressive=True), 0.95), HEIGHT),
    "half its rows.png": (lambda: png(SCENE[:75]), 75),
    "a row short.png": (lambda: png(SCENE[:-1]), HEIGHT - 1),
    "first passes alone.png": (lambda: png(np.zeros_like(SCENE[:20]), passes=True), 0),
    "a strip nowhere.tif": (lambda: tiff((273, 0)), HEIGHT),
    "taller.tif": (lambda: tiff((257, 300)), HEIGHT),
}


@pytest.mark.parametrize("name", SHORT)
def test_what_ends_early_is_set_aside_unless_accepted(tmp_path: Path, name: str) -> None:
    made, rows = SHORT[name]
    (tmp_path / name).write_bytes(made())
    with pytest.raises(PictureError, match=r"damaged: (its data end before|a part of its data|the file is truncated)"):
        read_picture(tmp_path / name)
    if rows:
        found = read_picture(tmp_path / name, DecodeOptions(accept_truncated=True))
        assert found.facts["truncated"] is True
        assert abs(found.facts["rows"] - rows) <= 16
        assert found.pixels.shape == (found.facts["rows"], WIDTH, 3)


SOUND: dict[str, Callable[[], bytes]] = {
    "progressive.jpg": lambda: jpeg(progressive=True),
    "restarts.jpg": lambda: jpeg(restart_marker_blocks=3),
    "progressive restarts.jpg": lambda: jpeg(progressive=True, restart_marker_rows=1),
    "grey all over.jpg": lambda: jpeg(Image.new("RGB", (WIDTH, HEIGHT), (128, 128, 128))),
    "grey all over, CMYK.jpg": lambda: jpeg(Image.new("CMYK", (WIDTH, HEIGHT), (127, 127, 127, 127)), progressive=True),
    "grey.jpg": lambda: jpeg(Image.new("L", (WIDTH, HEIGHT), 128), progressive=True),
    "bytes before its end.jpg": lambda: jpeg(progressive=True)[:-2] + b"\0\1\2\3\xff\xd9",
    "black below.png": lambda: png(np.concatenate([SCENE[:75], np.zeros_like(SCENE[75:])])),
}


@pytest.mark.parametrize("name", SOUND)
def test_what_only_looks_so_is_not(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(SOUND[name]())
    with Image.open(tmp_path / name) as image:
        expected = np.asarray(image.convert("RGB"))
    assert np.array_equal(read_picture(tmp_path / name).pixels, expected)


def test_a_scaled_jpeg_is_looked_at_as_well(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(ended(jpeg(), 0.6))
    (tmp_path / "b.jpg").write_bytes(jpeg(progressive=True))
    with pytest.raises(PictureError, match="before its last row"):
        read_picture(tmp_path / "a.jpg", DecodeOptions(at_least=50))
    assert read_picture(tmp_path / "b.jpg", DecodeOptions(at_least=50)).facts["scaled"] == 4


@pytest.mark.parametrize("kind", ["BMP", "TGA"])
def test_of_pictures_stored_from_below_the_upper_rows_are_missing(tmp_path: Path, kind: str) -> None:
    buffer = io.BytesIO()
    Image.fromarray(SCENE).save(buffer, kind)
    (tmp_path / f"a.{kind.lower()}").write_bytes(buffer.getvalue()[: len(buffer.getvalue()) * 3 // 5])
    with pytest.raises(PictureError, match="truncated"):
        read_picture(tmp_path / f"a.{kind.lower()}")
    found = read_picture(tmp_path / f"a.{kind.lower()}", DecodeOptions(accept_truncated=True))
    assert 80 < found.facts["rows"] < 92
    assert np.array_equal(found.pixels[1:], SCENE[HEIGHT - found.facts["rows"] + 1 :])


TEXTS: dict[str, Callable[[], bytes]] = {
    "unpacks to 20 MB": lambda: png(SCENE, (b"zTXt", b"workflow\0\0" + zlib.compress(bytes(20_000_000)))),
    "unpacks behind the picture": lambda: png(
        SCENE, after=((b"iTXt", b"w\0\1\0\0\0" + zlib.compress(bytes(20_000_000))),)
    ),
    "very many": lambda: png(SCENE, *[(b"tEXt", b"k\0" + bytes(5_000_000))] * 14),
    "of another sum": lambda: png(SCENE, (b"tEXt", b"a\0b")).replace(b"tEXta\0b", b"tEXta\0c"),
}


@pytest.mark.parametrize("name", TEXTS)
def test_texts_that_are_not_read_take_no_picture_away(tmp_path: Path, name: str) -> None:
    (tmp_path / "a.png").write_bytes(TEXTS[name]())
    found = read_picture(tmp_path / "a.png")
    assert np.array_equal(found.pixels, SCENE)
    assert "left out" in found.facts["texts"]


def test_which_way_is_up_stands_in_a_text_that_is_kept(tmp_path: Path) -> None:
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="3"/></x:xmpmeta>'
    bomb = (b"zTXt", b"workflow\0\0" + zlib.compress(bytes(20_000_000)))
    (tmp_path / "a.png").write_bytes(png(SCENE, bomb, (b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + xmp)))
    assert np.array_equal(read_picture(tmp_path / "a.png").pixels, SCENE[::-1, ::-1])
