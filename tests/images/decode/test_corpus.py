"""A corpus of odd and broken files: each prepared like an independent reference, or refused with a reason."""

from __future__ import annotations

import contextlib
import io
import json
import warnings
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageCms, ImageOps

from curate.errors import PictureError
from curate.images import read_picture
from curate.images.decode.formats import register_plugins

CORPORA = ("pillow", "libvips", "pngsuite", "pillow_heif", "jxl")

# what Pillow refuses of these are texts, which say nothing against the pixels
TEXTS_ALONE = {"png_decompression_dos.png"}

# OpenCV is no reference for these, and why
OPENCV_DIFFERS = {
    "16bit.cropped.j2k": "does not scale",
    "9bit.j2k": "does not scale 9 bits",
    "lab-red.tif": "another CIELAB white",
    "pil_sample_cmyk.jpg": "rounds CMYK otherwise",
    "tiff_tiled_planar_16bit_RGB.tiff": "reads only the first tile",
    "bmp/q/rgb32h52.bmp": "ignores the bit masks",
    "bmp/g/rgb16-565.bmp": "shifts 5 bits up instead of scaling",
    "i_trns.png": "no transparent grey value",
    "multipage_single_frame_loop.tiff": "palette as grey",
    "xmp_tags_orientation.png": "no XMP orientation",
    "xmp_tags_orientation_exiftool.png": "no XMP orientation",
}


@pytest.fixture(scope="module")
def corpus(data: Path) -> list[tuple[Path, dict[str, Any]]]:
    base = data / "hostile"
    lines = (base / "MANIFEST.jsonl").read_text().splitlines()
    return [(base / row["corpus"] / row["path"], row) for row in map(json.loads, lines)]


def expected_to_load(row: dict[str, Any]) -> bool | None:
    """What was measured with plain Pillow; None where it hangs on a plugin that is not installed."""
    plugged = row.get("with_plugins")
    if plugged and "JXL" not in register_plugins() and row["corpus"] == "jxl":
        return None
    if plugged and "HEIF" not in register_plugins() and row["corpus"] == "pillow_heif":
        return None
    return (plugged or row).get("load") == "ok"


@pytest.mark.parametrize("corpus_name", CORPORA)
def test_every_file_is_prepared_or_refused_with_a_reason(
    corpus: list[tuple[Path, dict[str, Any]]], corpus_name: str
) -> None:
    wrong: list[str] = []
    for path, row in corpus:
        if row["corpus"] != corpus_name:
            continue
        try:
            pixels = read_picture(path).pixels
        except PictureError as error:
            if not error.message or expected_to_load(row) is True:
                wrong.append(f"{path.name}: refused: {error.message!r}")
            continue
        if expected_to_load(row) is False and path.name not in TEXTS_ALONE:
            wrong.append(f"{path.name}: accepted, although its first load fails")
        if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3 or not pixels.size:
            wrong.append(f"{path.name}: {pixels.dtype} {pixels.shape}")
    assert not wrong


def shown(values: NDArray[np.float64], path: Path) -> NDArray[np.float64]:
    """Samples 0..255 as sRGB, of a PNG with another gamma and neither profile nor sRGB (PNG specification, 13.13)."""
    with Image.open(path) as image:
        gamma = image.info.get("gamma")
        if (
            image.format != "PNG"
            or not gamma
            or abs(gamma - 1 / 2.2) < 0.01
            or {"icc_profile", "srgb"} & set(image.info)
        ):
            return values
    light = (values / 255) ** (1 / gamma)
    return 255 * np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)


def by_pillow(path: Path) -> NDArray[np.float64] | None:
    """The picture by Pillow's own high-level calls; None for depths that those do not scale."""
    with Image.open(path) as opened_file:
        image: Image.Image = opened_file
        image.load()
        if image.mode in ("F", "LAB") or image.mode.startswith("I"):
            return None
        profile = image.info.get("icc_profile")
        image = ImageOps.exif_transpose(image)
        alpha = image.convert("RGBA").getchannel("A") if image.has_transparency_data else None
        flat = image if image.mode in ("L", "CMYK", "RGB") and alpha is None else image.convert("RGBA").convert("RGB")
        if profile:
            opened = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            with contextlib.suppress(ImageCms.PyCMSError):
                flat = ImageCms.profileToProfile(
                    flat,
                    opened,
                    ImageCms.createProfile("sRGB"),
                    renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
                    outputMode="RGB",
                    flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
                )
        flat = flat.convert("RGB")
        calibrated = shown(np.asarray(flat, np.float64), path)
        if not np.array_equal(calibrated, np.asarray(flat)) and path.read_bytes()[24:25] == b"\x10":
            return None  # Pillow has cut off what a dark sample needs
        flat = Image.fromarray(np.rint(calibrated).astype(np.uint8))
        if alpha is not None:
            flat.putalpha(alpha)
            flat = Image.alpha_composite(Image.new("RGBA", flat.size, "white"), flat).convert("RGB")
        return np.asarray(flat, np.float64)


def by_opencv(path: Path) -> NDArray[np.float64] | None:
    """The picture by OpenCV, which knows no profiles and no orientation; None where it cannot."""
    stored = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_UNCHANGED)
    if stored is None or stored.dtype not in (np.uint8, np.uint16):
        return None
    values = stored.astype(np.float64) / (257 if stored.dtype == np.uint16 else 1)
    if values.ndim == 2:
        values = values[:, :, None]
    if values.shape[2] in (2, 4):
        share = values[:, :, -1:] / 255
        values = shown(values[:, :, :-1], path) * share + 255 * (1 - share)
    else:
        values = shown(values, path)
    return np.repeat(values, 3, axis=2) if values.shape[2] == 1 else values[:, :, ::-1]


def test_pixels_equal_pillows_own_high_level_calls(corpus: list[tuple[Path, dict[str, Any]]]) -> None:
    compared, wrong = 0, list[str]()
    for path, row in corpus:
        if not expected_to_load(row):
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            reference = by_pillow(path)
        if reference is None:
            continue
        pixels = read_picture(path).pixels
        compared += 1
        if pixels.shape != reference.shape or np.abs(pixels - reference).max() > 1:
            wrong.append(f"{row['path']}: {pixels.shape} {reference.shape}")
    assert compared > 250
    assert not wrong


def test_pixels_equal_opencv_where_it_can_be_trusted(corpus: list[tuple[Path, dict[str, Any]]]) -> None:
    compared, wrong = 0, list[str]()
    for path, row in corpus:
        if not expected_to_load(row) or row["path"] in OPENCV_DIFFERS:
            continue
        found = read_picture(path)
        if found.facts["orientation"] != 1 or found.facts["profile"] or found.facts.get("frames", 1) > 1:
            continue
        if found.facts["format"] == "TIFF" and row.get("orientation", 1) != 1:
            continue
        reference = by_opencv(path)
        if reference is None:
            continue
        compared += 1
        # JPEG 2000, AVIF and old JPEG coders may differ by their own rounding
        bound = 3 if found.facts["format"] in ("AVIF", "JPEG2000", "JPEG", "MPO") else 1
        if reference.shape != found.pixels.shape or np.abs(found.pixels - reference).max() > bound:
            wrong.append(f"{row['path']}: {found.facts} {reference.shape}")
    assert compared > 150
    assert not wrong


def test_sixteen_bits_arrive_alike_from_three_formats(data: Path) -> None:
    names = ("16_bit_binary.pgm", "16_bit_binary_pgm.tiff")
    first, second = (read_picture(data / "hostile" / "pillow" / name).pixels for name in names)
    assert np.array_equal(first, second)
    with (data / "hostile" / "pillow" / names[0]).open("rb") as file:
        raw = np.frombuffer(file.read()[-4000:], ">u2").reshape(100, 20)
    assert np.array_equal(first[:, :, 0], np.rint(raw / 257.0))


def test_sprites_on_white_equal_the_exact_composition(data: Path) -> None:
    for path in sorted((data / "sprites").rglob("*.png")):
        with Image.open(path) as image:
            rgba = np.asarray(image.convert("RGBA"), np.float64)
        share = rgba[:, :, 3:] / 255
        expected = np.rint(rgba[:, :, :3] * share + 255 * (1 - share))
        found = read_picture(path)
        assert np.array_equal(found.pixels, expected), path
        assert found.facts["had_alpha"] is bool((rgba[:, :, 3] < 255).any())


def test_sprites_have_no_dark_halo_after_scaling(data: Path) -> None:
    from curate.images.resample import resize

    path = data / "sprites" / "eileen" / "eileen happy.png"
    with Image.open(path) as image:
        rgba = np.asarray(image, np.float64)
    share = rgba[:, :, 3:] / 255
    height, width = 240, 107
    size = (width, height)
    # premultiplied, then scaled, then composited: the order that cannot bleed hidden colours
    light = cv2.resize(rgba[:, :, :3] * share, size, interpolation=cv2.INTER_AREA)
    cover = cv2.resize(share, size, interpolation=cv2.INTER_AREA)[:, :, None]
    expected = light + 255 * (1 - cover)
    found = resize(read_picture(path).pixels, width, height)
    assert np.abs(found - expected).max() <= 1.01
