"""Every mode and format in, hand-worked pixels out."""

from __future__ import annotations

import io
import struct
import threading
import warnings
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms, ImageFile, PngImagePlugin

from curate.errors import InputError, PictureError
from curate.images import PICTURE_FILES, DecodeOptions, may_be_picture, parse_colour, read_frames, read_picture

RAMP = np.arange(6 * 4 * 3, dtype=np.uint8).reshape(4, 6, 3) * 3


def saved(path: Path, image: Image.Image, **options: object) -> Path:
    image.save(path, **options)
    return path


def png(path: Path, width: int, height: int, bits: int, kind: int, rows: bytes, *chunks: tuple[bytes, bytes]) -> Path:
    """A PNG written by hand: `rows` are unfiltered samples without filter bytes."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    stride = len(rows) // height
    raw = b"".join(b"\0" + rows[i * stride : (i + 1) * stride] for i in range(height))
    header = struct.pack(">IIBBBBB", width, height, bits, kind, 0, 0, 0)
    parts = [
        chunk(b"IHDR", header),
        *(chunk(*c) for c in chunks),
        chunk(b"IDAT", zlib.compress(raw)),
        chunk(b"IEND", b""),
    ]
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts))
    return path


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", [".png", ".webp", ".tif"])
def test_orientation_is_applied_once(tmp_path: Path, orientation: int, suffix: str) -> None:
    upright = {
        1: RAMP,
        2: RAMP[:, ::-1],
        3: RAMP[::-1, ::-1],
        4: RAMP[::-1],
        5: RAMP.transpose(1, 0, 2),
        6: np.rot90(RAMP, -1),
        7: RAMP[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90(RAMP),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"lossless": True} if suffix == ".webp" else {}
    found = read_picture(saved(tmp_path / f"a{suffix}", Image.fromarray(RAMP), exif=exif, **options))
    assert np.array_equal(found.pixels, upright)


def test_jpeg_orientation_follows_the_reference(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    big = Image.fromarray(RAMP).resize((96, 64))
    path = saved(tmp_path / "a.jpg", big, exif=exif, quality=95)
    with Image.open(path) as image:
        stored = np.asarray(image)
    found = read_picture(path)
    assert found.facts["orientation"] == 6
    assert np.array_equal(found.pixels, np.rot90(stored, -1))


def test_alpha_is_composited_exactly_and_recorded(tmp_path: Path) -> None:
    rgba = np.zeros((1, 256, 4), np.uint8)
    rgba[0, :, 0], rgba[0, :, 3] = 200, np.arange(256)
    path = saved(tmp_path / "a.png", Image.fromarray(rgba))
    found = read_picture(path, DecodeOptions(background=(10, 255, 0)))
    share = np.arange(256) / 255
    expected = np.rint(np.stack([200 * share + 10 * (1 - share), 255 * (1 - share), 0 * share], axis=-1))
    assert np.array_equal(found.pixels[0], expected.astype(np.uint8))
    assert found.facts["had_alpha"] is True
    assert found.facts["transparent"] == round(1 / 256, 4)


def test_what_lies_under_full_transparency_never_shows(tmp_path: Path) -> None:
    rgba = np.full((3, 3, 4), 77, np.uint8)
    rgba[..., 3] = 0
    assert (read_picture(saved(tmp_path / "a.png", Image.fromarray(rgba))).pixels == 255).all()


def test_an_opaque_alpha_channel_loses_nothing(tmp_path: Path) -> None:
    rgba = np.concatenate([RAMP, np.full((4, 6, 1), 255, np.uint8)], axis=-1)
    found = read_picture(saved(tmp_path / "a.png", Image.fromarray(rgba)))
    assert found.facts["had_alpha"] is False
    assert np.array_equal(found.pixels, RAMP)


@pytest.mark.parametrize(
    ("bits", "kind", "rows", "trns", "expected"),
    [
        (16, 0, struct.pack(">4H", 0, 128, 129, 65535), None, [0, 0, 1, 255]),  # 128/257 = 0.498, 129/257 = 0.502
        (16, 0, struct.pack(">4H", 0, 0x8000, 1000, 65535), struct.pack(">H", 1000), [0, 128, 255, 255]),
        (1, 0, b"\xa0", None, [255, 0, 255, 0]),
        (1, 0, b"\xa0", struct.pack(">H", 0), [255, 255, 255, 255]),
        (2, 0, b"\x1b", None, [0, 85, 170, 255]),
        (8, 0, bytes([0, 7, 200, 255]), struct.pack(">H", 7), [0, 255, 200, 255]),
    ],
)
def test_grey_of_every_depth(
    tmp_path: Path, bits: int, kind: int, rows: bytes, trns: bytes | None, expected: list[int]
) -> None:
    chunks = [(b"tRNS", trns)] if trns else []
    found = read_picture(png(tmp_path / "a.png", 4, 1, bits, kind, rows, *chunks))
    assert found.pixels[0].tolist() == [[v] * 3 for v in expected]


@pytest.mark.parametrize(
    ("kind", "samples", "trns", "expected"),
    [
        (2, (128, 129, 65407), None, [0, 1, 255]),  # high bytes alone would say 0, 0, 255
        (2, (0x7FFF, 0x80FF, 0x8181), None, [127, 128, 129]),  # 32767/257 = 127.498, 33023/257 = 128.494
        (2, (300, 400, 500), struct.pack(">3H", 300, 400, 500), [255, 255, 255]),
        (2, (300, 400, 501), struct.pack(">3H", 300, 400, 500), [1, 2, 2]),
        (4, (0, 0x8080), None, [127, 127, 127]),
        (6, (0xFFFF, 0x0180, 0, 0xFFFF), None, [255, 1, 0]),
    ],
)
def test_sixteen_bit_colour_is_rounded(
    tmp_path: Path, kind: int, samples: tuple[int, ...], trns: bytes | None, expected: list[int]
) -> None:
    rows = struct.pack(f">{len(samples)}H", *samples)
    found = read_picture(png(tmp_path / "ü 16.png", 1, 1, 16, kind, rows, *([(b"tRNS", trns)] if trns else [])))
    assert found.pixels[0, 0].tolist() == expected
    assert found.facts["depth"] == 16


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0.0, 0.5, 1.0], [0, 128, 255]),
        ([-0.01, 0.25, 1.02], [0, 64, 255]),
        ([0.0, 100.0, 255.0], [0, 100, 255]),
        ([0.0, 25700.0, 65535.0], [0, 100, 255]),
        ([-2.0, 0.0, 1.0], [0, 170, 255]),
        ([float("nan"), 0.0, 1.0], [0, 0, 255]),
    ],
)
def test_floats_take_the_range_that_holds_them(tmp_path: Path, values: list[float], expected: list[int]) -> None:
    path = saved(tmp_path / "a.tif", Image.fromarray(np.array([values], np.float32)))
    assert read_picture(path).pixels[0, :, 0].tolist() == expected


@pytest.mark.parametrize(
    ("dtype", "values", "expected"),
    [
        (np.int32, [0, 100, 255], [0, 100, 255]),
        (np.int32, [0, 25700, 65535], [0, 100, 255]),
        (np.int32, [0, 1 << 30, (1 << 31) - 1], [0, 128, 255]),
        (np.uint16, [0, 25700, 65535], [0, 100, 255]),
    ],
)
def test_integers_take_the_range_that_holds_them(
    tmp_path: Path, dtype: type, values: list[int], expected: list[int]
) -> None:
    path = saved(tmp_path / "a.tif", Image.fromarray(np.array([values], dtype)))
    assert read_picture(path).pixels[0, :, 0].tolist() == expected


def test_palette_with_partial_transparency(tmp_path: Path) -> None:
    palette = bytes([255, 0, 0, 0, 0, 255])
    found = read_picture(png(tmp_path / "a.png", 2, 1, 8, 3, b"\0\1", (b"PLTE", palette), (b"tRNS", b"\x80")))
    assert found.pixels[0].tolist() == [[255, 127, 127], [0, 0, 255]]


def test_colour_key_transparency(tmp_path: Path) -> None:
    rows = bytes([1, 2, 3, 9, 9, 9])
    found = read_picture(png(tmp_path / "a.png", 2, 1, 8, 2, rows, (b"tRNS", struct.pack(">3H", 1, 2, 3))))
    assert found.pixels[0].tolist() == [[255, 255, 255], [9, 9, 9]]


def test_cmyk_without_a_profile(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.tif", Image.new("CMYK", (2, 2), (255, 0, 0, 51)))
    assert read_picture(path).pixels[0, 0].tolist() == [0, 204, 204]  # 255·(1-C)(1-K)


def test_lab(tmp_path: Path) -> None:
    # CIE: L* = 128/255 · 100 with a* = b* = 0 is the grey of luminance 0.1859, sRGB 119.4
    path = saved(tmp_path / "a.tif", Image.frombytes("LAB", (1, 1), bytes([128, 0, 0])))
    assert np.abs(read_picture(path).pixels[0, 0].astype(int) - 119).max() <= 1


def gamma_profile(gamma: float, primaries: str = "sRGB") -> bytes:
    """A matrix profile with sRGB's primaries and a plain gamma, made by replacing the tone curves."""
    base = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile(primaries)).tobytes())
    count = struct.unpack(">I", base[128:132])[0]
    curve = struct.pack(">4sIIH", b"curv", 0, 1, round(gamma * 256)) + b"\0\0"
    at = len(base)
    for i in range(count):
        entry = 132 + 12 * i
        if base[entry : entry + 4] in (b"rTRC", b"gTRC", b"bTRC"):
            base[entry + 4 : entry + 12] = struct.pack(">II", at, len(curve))
    base += curve
    base[0:4] = struct.pack(">I", len(base))
    return bytes(base)


def test_a_profile_is_applied_with_values_worked_out_by_hand(tmp_path: Path) -> None:
    pixels = np.repeat(np.array([[[0], [64], [128], [200], [255]]], np.uint8), 3, axis=2)
    path = saved(tmp_path / "a.png", Image.fromarray(pixels), icc_profile=gamma_profile(1.0))
    light = np.array([0, 64, 128, 200, 255]) / 255
    expected = 255 * np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    found = read_picture(path)
    assert np.abs(found.pixels[0, :, 0] - expected).max() <= 1.01
    assert found.facts["profile"]


def calibrated(path: Path, image: Image.Image, gamma: float, primaries: Sequence[float] = (), **saving: Any) -> Path:
    about = PngImagePlugin.PngInfo()
    about.add(b"gAMA", struct.pack(">I", round(gamma * 100_000)))
    if primaries:
        about.add(b"cHRM", struct.pack(">8I", *(round(p * 100_000) for p in primaries)))
    return saved(path, image, pnginfo=about, **saving)


SRGB_PRIMARIES = (0.3127, 0.329, 0.64, 0.33, 0.3, 0.6, 0.15, 0.06)


def test_the_gamma_of_a_png_is_applied_where_no_profile_goes_before_it(tmp_path: Path) -> None:
    gray = Image.fromarray(np.array([[0, 1, 64, 128, 255]], np.uint8))
    # light 128/255 = 0.502 is sRGB 0.7366; light 1/255 is sRGB 0.0498
    assert read_picture(calibrated(tmp_path / "a.png", gray, 1.0)).pixels[0, :, 0].tolist() == [0, 13, 137, 188, 255]
    colour = calibrated(tmp_path / "b.png", gray.convert("RGB"), 1.0)
    assert read_picture(colour).pixels[0, :, 1].tolist() == [0, 13, 137, 188, 255]
    assert read_picture(colour).facts["gamma"] == 1.0
    assert read_picture(calibrated(tmp_path / "c.png", gray, 0.45455, SRGB_PRIMARIES)).pixels[0, :, 0].tolist() == [
        0,
        1,
        64,
        128,
        255,
    ]
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    kept = calibrated(tmp_path / "d.png", gray.convert("RGB"), 1.0, icc_profile=profile)
    assert read_picture(kept).pixels[0, :, 0].tolist() == [0, 1, 64, 128, 255]
    deep = Image.fromarray(np.array([[0, 20, 257, 32896, 65535]], np.uint16))
    # 20/65535 of light is 0.0039 of sRGB: the steps below one of 255 are still there
    assert read_picture(calibrated(tmp_path / "e.png", deep, 1.0)).pixels[0, :, 0].tolist() == [0, 1, 13, 188, 255]
    clear = Image.fromarray(np.array([[[128, 128, 128, 255], [9, 9, 9, 0]]], np.uint8))
    assert read_picture(calibrated(tmp_path / "f.png", clear, 1.0)).pixels[0, :, 0].tolist() == [188, 255]


def test_the_primaries_of_a_png_are_applied(tmp_path: Path) -> None:
    white, red, green, blue = (SRGB_PRIMARIES[n : n + 2] for n in (0, 2, 4, 6))
    pixels = np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 200], [90, 90, 90]]], np.uint8)
    turned = calibrated(tmp_path / "a.png", Image.fromarray(pixels), 0.45455, (*white, *green, *blue, *red))
    assert read_picture(turned).pixels[0].tolist() == [[0, 255, 0], [0, 0, 255], [200, 0, 0], [90, 90, 90]]
    # of no light at all: they span no colours, and are left
    nothing = calibrated(tmp_path / "b.png", Image.fromarray(pixels), 0.45455, (*white, *red, *red, *red))
    assert np.array_equal(read_picture(nothing).pixels, pixels)


def test_an_srgb_profile_changes_nothing(tmp_path: Path) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    found = read_picture(saved(tmp_path / "a.png", Image.fromarray(RAMP), icc_profile=profile))
    assert np.array_equal(found.pixels, RAMP)


def test_a_broken_profile_is_named_and_the_picture_used(tmp_path: Path) -> None:
    found = read_picture(saved(tmp_path / "a.png", Image.fromarray(RAMP), icc_profile=b"no profile at all" * 20))
    assert found.facts["profile_error"]
    assert np.array_equal(found.pixels, RAMP)


def animation(path: Path, count: int = 5) -> Path:
    pictures = [Image.new("RGB", (8, 8), (40 * i, 0, 0)) for i in range(count)]
    pictures[0].save(path, save_all=True, append_images=pictures[1:], duration=50, lossless=True)
    return path


@pytest.mark.parametrize("suffix", [".gif", ".webp", ".png"])
def test_frames(tmp_path: Path, suffix: str) -> None:
    path = animation(tmp_path / f"a{suffix}")
    assert read_picture(path).facts["frames"] == 5
    assert read_picture(path).pixels[0, 0, 0] == 0
    reds = [int(d.pixels[0, 0, 0]) for d in read_frames(path, DecodeOptions(every=1))]
    assert reds == [0, 40, 80, 120, 160]
    every_other = read_frames(path, DecodeOptions(every=2))
    assert [d.facts["frame"] for d in every_other] == [0, 2, 4]


def test_too_many_frames_for_the_memory_are_refused(tmp_path: Path) -> None:
    with pytest.raises(PictureError, match="5 frames"):
        read_frames(animation(tmp_path / "a.gif"), DecodeOptions(every=1, max_pixels=64 * 4))


def test_mpo_is_one_picture(tmp_path: Path) -> None:
    first, second = Image.new("RGB", (16, 16), (250, 0, 0)), Image.new("RGB", (16, 16), (0, 0, 250))
    path = tmp_path / "a.jpg"
    first.save(path, "MPO", save_all=True, append_images=[second])
    found = read_frames(path, DecodeOptions(every=1))
    assert len(found) == 1
    assert (found[0].facts["format"], found[0].facts["frames"], found[0].facts["animated"]) == ("MPO", 2, False)
    assert found[0].pixels[0, 0, 0] > 200


def test_the_pixel_limit_is_exact_and_asked_before_decoding(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.png", Image.new("L", (10, 10)))
    assert read_picture(path, DecodeOptions(max_pixels=100)).pixels.shape == (10, 10, 3)
    with pytest.raises(PictureError, match=r"more than the limit.*--max-pixels"):
        read_picture(path, DecodeOptions(max_pixels=99))
    bomb = png(tmp_path / "b.png", 60000, 60000, 1, 0, b"\0" * 60000)
    with pytest.raises(PictureError, match="limit"):
        read_picture(bomb)


def test_what_is_within_the_limit_passes_without_a_warning(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.png", Image.new("1", (10, 9)))  # where Pillow warns: over half of the limit
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read_picture(path, DecodeOptions(max_pixels=100)).pixels.shape == (9, 10, 3)


@pytest.fixture
def half(tmp_path: Path) -> Path:
    noise = np.random.default_rng(0).integers(1, 256, (128, 128, 3), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(noise).save(buffer, "JPEG", quality=95)
    path = tmp_path / "half.jpg"
    path.write_bytes(buffer.getvalue()[: len(buffer.getvalue()) // 2])
    return path


def test_a_truncated_file_is_an_error_unless_accepted(half: Path) -> None:
    with pytest.raises(PictureError, match="truncated"):
        read_picture(half)
    found = read_picture(half, DecodeOptions(accept_truncated=True))
    assert found.facts["truncated"] is True
    assert 48 <= found.facts["rows"] <= 80
    assert found.pixels.shape == (found.facts["rows"], 128, 3)
    assert found.pixels[:32].std() > 20


def test_nothing_readable_is_an_error_even_when_damage_is_accepted(tmp_path: Path, half: Path) -> None:
    path = tmp_path / "head.jpg"
    path.write_bytes(half.read_bytes()[: half.read_bytes().index(b"\xff\xda") + 14])  # ends with the header of the scan
    with pytest.raises(PictureError):
        read_picture(path, DecodeOptions(accept_truncated=True))


@pytest.mark.parametrize(
    "content", [b"", b"hello", b"\xff\xd8\xff", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n"]
)
def test_what_is_no_picture_says_so(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(content)
    with pytest.raises(PictureError):
        read_picture(path)


def test_a_missing_file_and_a_folder(tmp_path: Path) -> None:
    with pytest.raises(PictureError, match="gone"):
        read_picture(tmp_path / "nothing.png")
    with pytest.raises(PictureError):
        read_picture(tmp_path)


def test_pillow_is_left_as_it_was(half: Path) -> None:
    before = (Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES, list(warnings.filters))
    read_picture(half, DecodeOptions(accept_truncated=True, max_pixels=10**6))
    assert (Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES, list(warnings.filters)) == before


def test_threads_with_different_settings_do_not_disturb_each_other(half: Path) -> None:
    wrong: list[str] = []

    def strict() -> None:
        for _ in range(30):
            try:
                read_picture(half)
                wrong.append("a truncated file was accepted")
            except PictureError:
                pass

    def lenient() -> None:
        for _ in range(30):
            if "truncated" not in read_picture(half, DecodeOptions(accept_truncated=True)).facts:
                wrong.append("damage was not noted")

    threads = [threading.Thread(target=target) for target in (strict, lenient, strict, lenient)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_scaled_decoding_keeps_at_least_what_is_asked(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.jpg", Image.fromarray(RAMP).resize((800, 400)))
    found = read_picture(path, DecodeOptions(at_least=200))
    assert found.pixels.shape == (100, 200, 3)
    assert (found.facts["scaled"], found.facts["width"], found.facts["height"]) == (4, 800, 400)
    assert read_picture(path, DecodeOptions(at_least=201)).pixels.shape == (200, 400, 3)


def test_what_looks_like_a_picture(tmp_path: Path) -> None:
    assert may_be_picture(Path("a b/ü.JPG"))
    assert not may_be_picture(Path("notes.txt"))
    nameless = saved(tmp_path / "a", Image.new("L", (1, 1)), format="PNG")
    assert may_be_picture(nameless)
    (tmp_path / "b").write_text("no picture")
    assert not may_be_picture(tmp_path / "b")


def test_colours() -> None:
    assert parse_colour("white") == (255, 255, 255)
    assert parse_colour("#102030") == (16, 32, 48)
    with pytest.raises(InputError, match="not a color"):
        parse_colour("whit")


@pytest.mark.parametrize("encoding", ["png", "png:0", "png:9", "jpeg:100", "jpeg", "webp:95"])
def test_written_pictures_carry_no_metadata_and_read_back(tmp_path: Path, encoding: str) -> None:
    smooth = np.asarray(Image.fromarray(RAMP).resize((60, 40), Image.Resampling.BICUBIC))
    path = tmp_path / "whatever.name"
    PICTURE_FILES.write(smooth, path, encoding)
    back = PICTURE_FILES.read(path)
    assert back.dtype == np.uint8
    if encoding.startswith("png"):
        assert np.array_equal(back, smooth)
    else:
        assert np.abs(back.astype(int) - smooth).max() < 40
    with Image.open(path) as image:
        assert not {"icc_profile", "exif", "xmp", "comment"} & set(image.info)


@pytest.mark.parametrize("encoding", ["gif", "png:11", "jpeg:0", "jpeg:high"])
def test_unknown_encodings_are_input_errors(tmp_path: Path, encoding: str) -> None:
    with pytest.raises(InputError):
        PICTURE_FILES.write(RAMP, tmp_path / "a", encoding)


def test_a_view_that_is_not_contiguous_is_written_right(tmp_path: Path) -> None:
    PICTURE_FILES.write(RAMP[:, ::-1][1:3], tmp_path / "a.png", "png")
    assert np.array_equal(PICTURE_FILES.read(tmp_path / "a.png"), RAMP[:, ::-1][1:3])


def _chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def test_a_palette_picture_without_its_palette_is_not_taken_for_black(tmp_path: Path) -> None:
    head = _chunk(b"IHDR", struct.pack(">IIBBBBB", 3, 1, 8, 3, 0, 0, 0))
    body = _chunk(b"IDAT", zlib.compress(b"\0\0\1\2")) + _chunk(b"IEND", b"")
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + head + body)
    with pytest.raises(PictureError, match="palette that is missing"):
        read_picture(tmp_path / "a.png")
    palette = _chunk(b"PLTE", bytes([255, 0, 0, 0, 255, 0, 0, 0, 255]))
    (tmp_path / "b.png").write_bytes(b"\x89PNG\r\n\x1a\n" + head + palette + body)
    assert read_picture(tmp_path / "b.png").pixels.tolist() == [[[255, 0, 0], [0, 255, 0], [0, 0, 255]]]


def test_floats_without_a_single_number_are_an_error(tmp_path: Path) -> None:
    values = np.full((2, 3), np.nan, np.float32)
    Image.fromarray(values).save(tmp_path / "a.tif")
    with pytest.raises(PictureError, match="number"):
        read_picture(tmp_path / "a.tif")
    values[0, 0] = 1.0
    Image.fromarray(values).save(tmp_path / "b.tif")
    assert read_picture(tmp_path / "b.tif").pixels[:, :, 0].tolist() == [[255, 0, 0], [0, 0, 0]]


def test_an_empty_file_is_called_empty(tmp_path: Path) -> None:
    (tmp_path / "a.png").touch()
    with pytest.raises(PictureError, match="the file is empty"):
        read_picture(tmp_path / "a.png")


def test_what_pillow_does_not_support_is_not_called_damaged(tmp_path: Path) -> None:
    head = struct.pack("<2sIHHI", b"BM", 70, 0, 0, 66) + struct.pack("<IiiHHIIiiII", 40, 1, 1, 1, 32, 3, 4, 0, 0, 0, 0)
    (tmp_path / "a.bmp").write_bytes(head + struct.pack("<III", 0x00FF8000, 0x7F, 0x80) + bytes(4))
    with pytest.raises(PictureError, match=r"^cannot be read: Unsupported"):
        read_picture(tmp_path / "a.bmp")
