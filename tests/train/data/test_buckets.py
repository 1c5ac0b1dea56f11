"""Buckets against examples worked out by kohya's rule."""

from __future__ import annotations

import numpy as np
import pytest

from curate.train.data.buckets import Fit, apply, fit, fit_no_upscale, resolutions

SDXL = resolutions(1024, 512, 2048, 64)


def test_resolutions_of_512() -> None:
    # by hand: for each width in steps of 64 the tallest height with width·height <= 512², both ways round
    tall = [(256, 832), (256, 896), (256, 960), (256, 1024), (320, 704), (320, 768), (384, 640), (448, 576)]
    assert resolutions(512, 256, 1024, 64) == sorted([*tall, (512, 512), *((h, w) for w, h in tall)])


@pytest.mark.parametrize("resolution", [512, 768, 1024])
def test_every_resolution_fits_the_area(resolution: int) -> None:
    sizes = resolutions(resolution, 256, resolution * 2, 64)
    assert (resolution, resolution) in sizes
    assert all(w * h <= resolution**2 and w % 64 == h % 64 == 0 and min(w, h) >= 256 for w, h in sizes)
    assert {(h, w) for w, h in sizes} == set(sizes)


@pytest.mark.parametrize(
    ("size", "wanted"),
    [
        # 1000×1500 covers 832×1216 at 832×1248: 16 rows go at the top, none at the side
        ((1000, 1500), Fit((832, 1216), (832, 1248), 0, 16)),
        ((1024, 1024), Fit((1024, 1024), (1024, 1024), 0, 0)),
        ((832, 1216), Fit((832, 1216), (832, 1216), 0, 0)),
        ((3000, 2000), Fit((1216, 832), (1248, 832), 16, 0)),
        ((500, 500), Fit((1024, 1024), (1024, 1024), 0, 0)),
    ],
)
def test_fit(size: tuple[int, int], wanted: Fit) -> None:
    assert fit(*size, SDXL) == wanted


@pytest.mark.parametrize(
    ("size", "bucket"),
    [((500, 300), (448, 256)), ((511, 513), (448, 512)), ((2000, 1000), (1408, 704)), ((1024, 1024), (1024, 1024))],
)
def test_no_upscale(size: tuple[int, int], bucket: tuple[int, int]) -> None:
    found = fit_no_upscale(*size, 1024, 64)
    assert found.bucket == bucket
    assert found.scaled[0] <= size[0] and found.scaled[1] <= size[1]
    assert found.scaled[0] >= bucket[0] and found.scaled[1] >= bucket[1]


def test_pixels_are_cropped_where_the_fit_says() -> None:
    picture = np.arange(6 * 10 * 3, dtype=np.uint8).reshape(6, 10, 3)
    out = apply(picture, Fit((4, 6), (10, 6), 3, 0))
    assert out.shape == (6, 4, 3)
    assert (out == picture[:, 3:7]).all()


@pytest.mark.parametrize(
    ("size", "bucket", "scaled"),
    [
        ((895, 3137), (256, 896), (256, 896)),
        ((238, 3697), (128, 1984), (128, 1984)),
        ((1458, 1668), (448, 512), (448, 512)),
        ((1000, 1500), (384, 576), (384, 576)),
        ((1500, 1000), (576, 384), (576, 384)),
        ((400, 300), (384, 256), (400, 300)),
    ],
)
def test_no_upscale_scales_as_kohya_does(
    size: tuple[int, int], bucket: tuple[int, int], scaled: tuple[int, int]
) -> None:
    found = fit_no_upscale(*size, 512, 64)
    assert (found.bucket, found.scaled) == (bucket, scaled)
