"""Stage resize: sizes by arithmetic, pixels by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from curate.images import resample
from curate.stages.resize import Resize
from tests.stages.helpers import env, held, record, run


@pytest.mark.parametrize(
    ("options", "size", "scaled", "cut"),
    [
        ({}, (3000, 2000), (3000, 2000), (3000, 2000)),
        ({}, (6000, 4000), (3000, 2000), (3000, 2000)),
        ({"max_side": 0}, (9000, 10), (9000, 10), (9000, 10)),
        ({"max_side": 1024}, (800, 600), (800, 600), (800, 600)),
        ({"max_side": 1024}, (2048, 1), (1024, 1), (1024, 1)),
        ({"max_side": 1000, "min_side": 400}, (4000, 800), (2000, 400), (2000, 400)),
        ({"max_side": 1000, "min_side": 400}, (4000, 300), (4000, 300), (4000, 300)),
        ({"min_side": 400, "upscale": True}, (300, 200), (600, 400), (600, 400)),
        ({"min_side": 400}, (300, 200), (300, 200), (300, 200)),
        ({"area": 1024 * 1024}, (4096, 1024), (2048, 512), (2048, 512)),
        ({"area": 1000}, (37, 41), (30, 33), (30, 33)),
        ({"multiple": 64}, (1000, 700), (960, 672), (960, 640)),
        ({"multiple": 64}, (1024, 640), (1024, 640), (1024, 640)),
        ({"multiple": 64, "max_side": 1024}, (1500, 1500), (1024, 1024), (1024, 1024)),
        ({"multiple": 64}, (1000, 40), (1000, 40), (960, 40)),
    ],
)
def test_sizes(options: dict[str, int], size: tuple[int, int], scaled: tuple[int, int], cut: tuple[int, int]) -> None:
    assert Resize(**options).plan(*size) == (scaled, cut)


def test_never_larger_unless_asked() -> None:
    rng = np.random.default_rng(1)
    for _ in range(500):
        options = {name: int(rng.integers(0, 900)) for name in ("max_side", "min_side")}
        stage = Resize(**options, area=int(rng.integers(0, 500_000)), multiple=int(rng.integers(1, 80)))
        width, height = (int(v) for v in rng.integers(1, 1200, 2))
        scaled, cut = stage.plan(width, height)
        assert cut[0] <= scaled[0] <= width
        assert cut[1] <= scaled[1] <= height


def test_nothing_to_do_keeps_every_pixel(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (30, 40, 3), np.uint8)
    where = env(tmp_path)
    (done,) = run(Resize(max_side=40, linear=True, filter="lanczos"), where, held(where, noise))
    assert np.array_equal(where.pixels(done), noise)


@pytest.mark.parametrize("how", ["area", "lanczos"])
def test_halving_black_and_white(tmp_path: Path, how: str) -> None:
    lines = np.zeros((64, 64, 3), np.uint8)
    lines[:, ::2] = 255
    where = env(tmp_path)
    (plain,) = run(Resize(max_side=32, filter=how), where, held(where, lines))
    assert np.abs(where.pixels(plain)[8:-8, 8:-8].astype(int) - 128).max() <= 1
    (light,) = run(Resize(max_side=32, filter=how, linear=True), where, held(where, lines))
    # half the light is sRGB 187.5
    assert np.abs(where.pixels(light)[8:-8, 8:-8].astype(int) - 188).max() <= 2


@pytest.mark.parametrize("linear", [False, True])
@pytest.mark.parametrize("how", ["area", "lanczos"])
def test_flat_colours_stay(how: resample.Filter, linear: bool) -> None:
    for value in range(0, 256, 5):
        flat = np.full((20, 30, 3), value, np.uint8)
        assert (resample.resize(flat, 11, 7, how, linear=linear) == value).all()


def test_an_alternating_pattern_does_not_alias() -> None:
    fine = np.indices((300, 300)).sum(axis=0) % 2 * 255
    pixels = np.repeat(fine[:, :, None], 3, axis=2).astype(np.uint8)
    for how in ("area", "lanczos"):
        assert resample.resize(pixels, 90, 90, how)[4:-4, 4:-4].std() < 8


def test_the_cut_is_in_the_middle(tmp_path: Path) -> None:
    pixels = np.zeros((70, 64, 3), np.uint8)
    pixels[3:67] = 200
    where = env(tmp_path)
    (done,) = run(Resize(multiple=64), where, held(where, pixels))
    assert (where.pixels(done) == 200).all()


def test_scaled_decoding_gives_the_same_size_and_nearly_the_same_picture(tmp_path: Path) -> None:
    smooth = Image.effect_noise((12, 9), 80).convert("RGB").resize((1333, 1001), Image.Resampling.BICUBIC)
    path = tmp_path / "a.jpg"
    exif = Image.Exif()
    exif[0x0112] = 6
    smooth.save(path, quality=95, exif=exif)
    where = env(tmp_path)
    for options in ({"max_side": 200}, {"max_side": 300, "multiple": 32}, {"max_side": 0, "area": 20_000}):
        (full,) = run(Resize(**options), where, record(path, "dog/full"))
        (fast,) = run(Resize(**options, scaled_decode=True), where, record(path, "dog/fast"))
        assert (full.image.width, full.image.height) == (fast.image.width, fast.image.height)
        assert np.abs(where.pixels(full).astype(int) - where.pixels(fast)).mean() < 2
