"""Enlarged pictures are found by what interpolation leaves, untouched ones are not."""

from __future__ import annotations

import io
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from curate.core.stage import Pixels
from curate.images import read_picture
from curate.images.analysis.enlargement import factor

OPENCV = {
    "nearest": cv2.INTER_NEAREST,
    "bilinear": cv2.INTER_LINEAR,
    "bicubic": cv2.INTER_CUBIC,
    "lanczos": cv2.INTER_LANCZOS4,
}
PILLOW = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}


def natural(seed: int, side: int = 400) -> Pixels:
    """Shapes with hard edges over a texture whose energy falls with frequency by a power law, as photographs' does."""
    dice = np.random.default_rng(seed)
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(2 * side), np.fft.fftfreq(2 * side)))
    frequency[0, 0] = 1
    texture = np.fft.ifft2(np.fft.fft2(dice.normal(size=(2 * side, 2 * side))) / frequency).real
    picture = np.repeat((texture / texture.std() * 30 + 128)[:, :, None], 3, axis=2)
    for _ in range(30):
        center, axes = dice.integers(0, 2 * side, 2), dice.integers(10, side // 2, 2)
        color = dice.integers(0, 256, 3)
        shape = np.zeros((2 * side, 2 * side), np.uint8)
        cv2.ellipse(shape, center.tolist(), axes.tolist(), int(dice.integers(180)), 0, 360, 1, -1)
        picture[shape > 0] = picture[shape > 0] * 0.5 + color * 0.5
    return reduced(np.clip(picture, 0, 255).astype(np.uint8), side)


def reduced(pixels: Pixels, side: int) -> Pixels:
    scale = side / max(pixels.shape[:2])
    size = (round(pixels.shape[1] * scale), round(pixels.shape[0] * scale))
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA))


def enlarged(pixels: Pixels, times: float, kernel: str, library: str) -> Pixels:
    size = (round(pixels.shape[1] * times), round(pixels.shape[0] * times))
    if library == "opencv":
        return np.asarray(cv2.resize(pixels, size, interpolation=OPENCV[kernel]))
    return np.asarray(Image.fromarray(pixels).resize(size, PILLOW[kernel]))


def jpeg(pixels: Pixels, quality: int) -> Pixels:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=quality)
    return np.asarray(Image.open(buffer))


@pytest.mark.parametrize("library", ["opencv", "pillow"])
@pytest.mark.parametrize("kernel", OPENCV)
@pytest.mark.parametrize("times", [2.0, 2.5, 10 / 3, 4.0, 6.0])
def test_every_kernel_and_factor(kernel: str, times: float, library: str):
    for seed in range(3):
        result = factor(enlarged(natural(seed, 200), times, kernel, library))
        assert times / 2 < result < times * 2, (seed, result)


@pytest.mark.parametrize("kernel", OPENCV)
def test_ninety_pixels_made_three_hundred(kernel: str):
    for seed in range(5):
        assert factor(enlarged(natural(seed, 90), 300 / 90, kernel, "pillow")) >= 1.5, seed


def test_enlarged_and_then_saved_as_jpeg():
    found = [
        factor(jpeg(enlarged(natural(seed, 200), 3, kernel, "pillow"), quality))
        for seed in range(3)
        for kernel in OPENCV
        for quality in (80, 95)
    ]
    assert sum(f > 1 for f in found) >= 0.7 * len(found)


def test_untouched_pictures_are_left_alone():
    for seed in range(8):
        picture = natural(seed)
        for variant in (picture, reduced(picture, 300), jpeg(picture, 80), picture[40:300, 25:390]):
            assert factor(variant) == 1.0, seed


def test_what_has_no_detail_says_nothing():
    noise = np.random.default_rng(0).integers(0, 256, (300, 300, 3), np.uint8)
    stripes = np.zeros((300, 300, 3), np.uint8)
    stripes[:, ::4] = 255
    for picture in (np.full((200, 200, 3), 128, np.uint8), noise, stripes, noise[:20, :20], noise[:, :3]):
        assert factor(picture) == 1.0


def test_real_photos(data: Path):
    files = sorted((data / "photos").rglob("*.jpg"))[1::4]
    untouched = [read_picture(path).pixels for path in files]
    assert [f.name for f, p in zip(files, untouched, strict=True) if factor(p) > 1] == []
    for kernel in OPENCV:
        found = [factor(enlarged(reduced(p, 90), 300 / 90, kernel, "pillow")) for p in untouched]
        assert sum(f > 1.2 for f in found) >= len(found) - 1, (kernel, found)
