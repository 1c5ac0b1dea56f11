"""Strange files made here: each comes out as the picture a person would see, or is set aside with its reason."""

from __future__ import annotations

import io
import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from curate.core.stage import Pixels
from curate.errors import PictureError
from curate.images import read_picture
from curate.scan import list_pictures

RAMP = np.tile(np.arange(64, dtype=np.uint8) * 4, (48, 1))
COLOURS = np.stack([RAMP, RAMP[::-1], 255 - RAMP], axis=-1)
DEEP = COLOURS.astype(">u2") * 257


def chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png(
    *chunks: tuple[bytes, bytes], size: tuple[int, int] = (64, 48), bits: int = 8, kind: int = 2, end: bool = True
) -> bytes:
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", *size, bits, kind, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(chunk(*c) for c in chunks) + (chunk(b"IEND", b"") if end else b"")


def rows(values: np.ndarray, filtered: bytes = b"\0") -> tuple[bytes, bytes]:
    return b"IDAT", zlib.compress(b"".join(filtered + row.tobytes() for row in values))


def as_(kind: str, image: Image.Image | None = None, **options: object) -> bytes:
    buffer = io.BytesIO()
    (image or Image.fromarray(COLOURS)).save(buffer, kind, **options)
    return buffer.getvalue()


def with_height(jpeg: bytes, height: int, width: int) -> bytes:
    at = jpeg.find(b"\xff\xc0")
    return jpeg[: at + 5] + struct.pack(">HH", height, width) + jpeg[at + 9 :]


def turned() -> Image.Exif:
    about = Image.Exif()
    about[0x112] = 6
    return about


UPRIGHT = np.rot90(COLOURS, -1)
PSD = b"8BPS\0\1" + bytes(6) + struct.pack(">HIIHH", 3, 48, 64, 8, 3) + bytes(14) + COLOURS.transpose(2, 0, 1).tobytes()

SEEN: dict[str, tuple[Callable[[], bytes], Pixels, int]] = {
    "grey with alpha.png": (
        lambda: as_("PNG", Image.fromarray(np.dstack([RAMP, 255 - RAMP]), "LA")),
        np.repeat(np.rint(255 - (255 - RAMP[..., None]) * (1 - RAMP[..., None] / 255)).astype(np.uint8), 3, axis=2),
        1,
    ),
    "big-endian 16 bits.tif": (
        lambda: as_("TIFF", Image.fromarray(RAMP.astype(">u2") * 257)),
        np.repeat(RAMP[..., None], 3, 2),
        0,
    ),
    "floats.tif": (
        lambda: as_("TIFF", Image.fromarray((RAMP / 255).astype(np.float32))),
        np.repeat(RAMP[..., None], 3, 2),
        0,
    ),
    "16 bits, one colour transparent.png": (
        lambda: png((b"tRNS", DEEP[0, 5].tobytes()), rows(DEEP), bits=16),
        np.where((COLOURS[0, 5] == COLOURS).all(axis=2)[..., None], 255, COLOURS).astype(np.uint8),
        0,
    ),
    "16 bits.ppm": (lambda: b"P6\n64 48\n65535\n" + DEEP.tobytes(), COLOURS, 0),
    "without its end.png": (lambda: png(rows(COLOURS), end=False), COLOURS, 0),
    "more rows than it says.png": (lambda: png(rows(np.concatenate([COLOURS, COLOURS]))), COLOURS, 0),
    "layers.psd": (lambda: PSD, COLOURS, 0),
    "orientation.png": (lambda: as_("PNG", exif=turned()), UPRIGHT, 0),
    "orientation.webp": (lambda: as_("WEBP", exif=turned(), lossless=True), UPRIGHT, 0),
    "orientation.tif": (lambda: as_("TIFF", exif=turned()), UPRIGHT, 0),
    "orientation.avif": (lambda: as_("AVIF", exif=turned(), quality=100, subsampling="4:4:4"), UPRIGHT, 3),
    "orientation that is none.jpg": (
        lambda: as_("JPEG", quality=100, exif=b"Exif\0\0II*\0\xff\xff\xff\xff"),
        COLOURS,
        6,
    ),
    "junk behind.jpg": (lambda: as_("JPEG", quality=100) + bytes(range(256)) * 20, COLOURS, 6),
    "two in one.jpg": (lambda: as_("JPEG", quality=100) + as_("JPEG", Image.new("RGB", (9, 9))), COLOURS, 6),
    "a JPEG called.png": (lambda: as_("JPEG", quality=100), COLOURS, 6),
    "pages of all sizes.tif": (
        lambda: as_("TIFF", save_all=True, append_images=[Image.new("L", (5, 90)), Image.new("CMYK", (7, 7))]),
        COLOURS,
        0,
    ),
    "alpha.bmp": (lambda: as_("BMP", Image.fromarray(COLOURS).convert("RGBA")), COLOURS, 0),
    "sequence.avif": (
        lambda: as_(
            "AVIF", save_all=True, append_images=[Image.new("RGB", (64, 48))], quality=100, subsampling="4:4:4"
        ),
        COLOURS,
        3,
    ),
}

BROKEN: dict[str, tuple[Callable[[], bytes], str]] = {
    "no data.png": (lambda: png((b"IDAT", b"")), "damaged"),
    "no rows.png": (lambda: png((b"IDAT", zlib.compress(b""))), "damaged"),
    "unknown filter.png": (lambda: png(rows(COLOURS, b"\x09")), "damaged"),
    "vast.png": (lambda: png(size=(2**31 - 1, 2**31 - 1)), "raise it with convert's max_pixels"),
    "no width.png": (lambda: png(rows(COLOURS), size=(0, 48)), ""),
    "no palette.png": (lambda: png(rows(RAMP), kind=3), "palette"),
    "vast.jpg": (lambda: with_height(as_("JPEG"), 65500, 65500), "more pixels than the limit"),
    "height to come.jpg": (lambda: with_height(as_("JPEG"), 0, 64), "damaged: its header cannot be read"),
    "half.jpg": (lambda: (whole := as_("JPEG", quality=95))[: len(whole) // 2], "damaged"),
    "half of a progressive one.jpg": (
        lambda: (whole := as_("JPEG", progressive=True))[: len(whole) * 2 // 3],
        "damaged",
    ),
    "half.webp": (lambda: (whole := as_("WEBP", lossless=True))[: len(whole) // 2], "damaged"),
    "half.avif": (lambda: (whole := as_("AVIF"))[: len(whole) // 2], "damaged"),
    "half.psd": (lambda: PSD[:3000], "damaged"),
    "vast.ppm": (lambda: b"P6\n1000000 1000000\n255\n", "more pixels than the limit"),
    "a page not found.jpg": (lambda: b"<html>404</html>", "not a picture"),
    "drawing.png": (lambda: b'<svg xmlns="http://www.w3.org/2000/svg"/>', "not a picture"),
    "nothing.webp": (lambda: b"", "the file is empty"),
    "profile that bursts.png": (
        lambda: png((b"iCCP", b"x\0\0" + zlib.compress(bytes(80_000_000))), rows(COLOURS)),
        "damaged",
    ),
}


@pytest.mark.parametrize("name", SEEN)
def test_what_can_be_seen_is_seen_right(tmp_path: Path, name: str) -> None:
    made, expected, bound = SEEN[name]
    (tmp_path / name).write_bytes(made())
    found = read_picture(tmp_path / name).pixels
    assert found.shape == expected.shape
    assert np.abs(found.astype(int) - expected).max() <= bound


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_broken_is_refused_with_its_reason(tmp_path: Path, name: str) -> None:
    made, reason = BROKEN[name]
    (tmp_path / name).write_bytes(made())
    with pytest.raises(PictureError) as refused:
        read_picture(tmp_path / name)
    assert reason in refused.value.message
    assert refused.value.message


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no such files here")
def test_links_to_themselves_and_pipes_hide_nothing_else(tmp_path: Path) -> None:
    for name in ("a.png", "dir.png/b.png", "z.png"):
        (tmp_path / "dog" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(COLOURS).save(tmp_path / "dog" / name)
    (tmp_path / "dog" / "self.png").symlink_to("self.png")
    (tmp_path / "dog" / "gone.png").symlink_to("nowhere.png")
    (tmp_path / "dog" / "loop").symlink_to("..")
    os.mkfifo(tmp_path / "dog" / "pipe.png")
    told: list[str] = []
    found = list_pictures([tmp_path], lambda event: told.append(str(getattr(event, "message", event))))
    # what cannot be read is tried, and set aside with its reason
    assert [f.key for f in found] == ["dog/a.png", "dog/dir.png/b.png", "dog/gone.png", "dog/self.png", "dog/z.png"]
    assert len(told) == 1 and "pipe.png is neither a file nor a folder" in told[0]
