"""PNG files: the same bytes for the same pixels, in whatever thread or process they are written."""

from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from PIL import Image

from curate.images.encode import fast_png, gray_png


def test_a_picture_has_the_same_bytes_in_every_thread() -> None:
    # runs of few colours at the start: igzip itself packs some of them by the address of its state
    colours = np.random.default_rng(7).integers(0, 256, (6000, 1, 1, 3), np.uint8)
    pictures = list(np.repeat(colours, 20, axis=2))
    with ThreadPoolExecutor(1) as other:
        elsewhere = list(other.map(fast_png, pictures))
    assert sum(fast_png(picture) != data for picture, data in zip(pictures, elsewhere, strict=True)) == 0


def test_a_png_holds_its_pixels() -> None:
    random = np.random.default_rng(1)
    for height, width in ((1, 1), (1, 9), (300, 200)):
        pixels = random.integers(0, 256, (height, width, 3), np.uint8)
        for level in (None, 0, 1, 2):
            assert np.array_equal(np.asarray(Image.open(io.BytesIO(fast_png(pixels, level)))), pixels)
        assert np.array_equal(np.asarray(Image.open(io.BytesIO(gray_png(pixels[:, :, 0])))), pixels[:, :, 0])
