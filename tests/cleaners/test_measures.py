"""Signs of noise, PSNR and SSIM."""

import io
import math
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from cleaners.measures.difference import psnr, ssim
from cleaners.measures.noise import blockiness, signs

DATA = Path(__file__).parents[2] / "../shared/data"


def flat(height: int = 128, width: int = 128) -> np.ndarray:
    return np.broadcast_to(np.linspace(60, 180, width).astype(np.uint8)[None, :, None], (height, width, 3)).copy()


def noisy(picture: np.ndarray, sigma: float, seed: int = 0) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(0, sigma, picture.shape)
    return np.clip(np.rint(picture + noise), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("sigma", [2.0, 4.0, 8.0])
def test_white_noise_is_measured_in_its_own_units(sigma: float):
    found = signs(noisy(flat(), sigma))
    assert found.chroma == pytest.approx(sigma, rel=0.15)
    assert found.chroma2 == pytest.approx(sigma / 2, rel=0.2)
    assert found.luma == pytest.approx(sigma * (6**0.5 / 4), rel=0.2)
    assert found.score >= 1


def test_a_clean_gradient_and_a_hard_edge_are_not_suspect():
    picture = flat()
    picture[:, 64:] = (255, 0, 40)
    assert signs(picture).score < 0.2


def test_coarse_detail_of_a_thumbnail_is_not_held_against_it():
    dice = np.random.default_rng(2)
    patches = dice.integers(0, 256, (12, 12, 3)).repeat(14, axis=0).repeat(14, axis=1).astype(np.uint8)
    soft = np.asarray(cv2.GaussianBlur(patches, (0, 0), 2))
    assert signs(soft).score < 1 < signs(soft).chroma4 / 2
    assert signs(np.tile(soft, (3, 3, 1))).score > 1


def test_large_pictures_are_sampled_and_agree_with_small_ones():
    small, large = signs(noisy(flat(512, 512), 4)), signs(noisy(flat(1500, 1600), 4))
    assert large.chroma == pytest.approx(small.chroma, rel=0.1)


@pytest.mark.parametrize("shape", [(1, 1, 3), (2, 9, 3), (15, 15, 3), (17, 300, 3)])
def test_tiny_pictures_measure_without_error(shape: tuple[int, int, int]):
    assert signs(np.zeros(shape, np.uint8)).score == 0


def test_blockiness_sees_the_grid_of_jpeg():
    blocks = np.repeat(np.repeat(np.random.default_rng(0).integers(90, 110, (16, 16, 3)), 8, axis=0), 8, axis=1)
    assert blockiness(blocks.astype(np.uint8)) > 10
    assert blockiness(noisy(flat(), 5)) == pytest.approx(1, abs=0.1)


@pytest.mark.skipif(not (DATA / "photos").is_dir(), reason="needs ../shared/data/photos")
@pytest.mark.parametrize("subject", ["dog", "cat2", "vase", "candle"])
def test_real_photos_are_not_suspect_and_perturbed_ones_are(subject: str):
    with Image.open(DATA / f"photos/{subject}/01.jpg") as image:
        picture = np.asarray(image.convert("RGB"))[:512, :512]
    assert signs(picture).score < 0.8
    attack = np.random.default_rng(0).choice([-4, 4], picture.shape)
    assert signs(np.clip(picture + attack, 0, 255).astype(np.uint8)).score > 1.5


@pytest.mark.skipif(not (DATA / "photos").is_dir(), reason="needs ../shared/data/photos")
@pytest.mark.parametrize("subject", ["dog", "cat2", "vase", "candle"])
def test_blurred_noise_and_noise_saved_as_jpeg_show(subject: str):
    with Image.open(DATA / f"photos/{subject}/01.jpg") as image:
        picture = np.asarray(image.convert("RGB"))[:512, :512]
    noise = np.random.default_rng(0).standard_normal(picture.shape).astype(np.float32)
    soft = np.asarray(cv2.GaussianBlur(noise, (0, 0), 2))
    blurred = np.clip(picture + np.clip(soft / soft.std() / 3, -1, 1) * 16, 0, 255).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(np.clip(picture + np.sign(noise) * 16, 0, 255).astype(np.uint8)).save(file, "JPEG", quality=90)
    with Image.open(file) as image:
        saved = np.asarray(image.convert("RGB"))
    assert signs(blurred).score > 1
    assert signs(blurred).coarse
    assert signs(saved).score > 1
    assert not signs(saved).coarse
    # neither is seen by the finest colour detail, where noise as it was made stands out
    assert max(signs(blurred).chroma, signs(saved).chroma) < 1.2


def test_psnr_by_hand():
    one = np.full((4, 4, 3), 100, np.uint8)
    assert psnr(one, one) == math.inf
    assert psnr(one, one + np.uint8(5)) == pytest.approx(10 * math.log10(255**2 / 25))


def test_ssim_against_its_definition():
    dice = np.random.default_rng(3)
    one = np.repeat(dice.integers(0, 256, (40, 40, 1), np.uint8), 3, axis=2)
    other = noisy(one, 20)[..., :1].repeat(3, axis=2)
    kernel = np.exp(-(np.arange(-5, 6) ** 2) / (2 * 1.5**2))
    kernel = np.outer(kernel, kernel) / kernel.sum() ** 2
    x, y = (np.lib.stride_tricks.sliding_window_view(p[..., 0].astype(float), (11, 11)) for p in (one, other))
    mx, my = (x * kernel).sum((2, 3)), (y * kernel).sum((2, 3))
    vx, vy = (x * x * kernel).sum((2, 3)) - mx**2, (y * y * kernel).sum((2, 3)) - my**2
    both = (x * y * kernel).sum((2, 3)) - mx * my
    c1, c2 = 2.55**2, 7.65**2
    by_hand = ((2 * mx * my + c1) * (2 * both + c2) / ((mx**2 + my**2 + c1) * (vx + vy + c2))).mean()
    assert ssim(one, other) == pytest.approx(by_hand, abs=2e-4)
    assert ssim(one, one) == pytest.approx(1)
