"""The adversarial-noise cleaner against plain reference implementations."""

import pickle
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from cleaners import names
from cleaners.adverse import Adverse
from cleaners.errors import MissingModelError
from cleaners.filters.bilateral import by_opencv, by_torch
from cleaners.filters.guided import Guide
from cleaners.measures.difference import psnr
from tests.cleaners.reference import plain, plain_guided

DATA = Path(__file__).parents[2] / "../shared/data"


def textured(height: int, width: int, seed: int = 0) -> np.ndarray:
    """Smooth colour with edges and noise of ±8."""
    dice = np.random.default_rng(seed)
    coarse = dice.integers(0, 256, (height // 12 + 1, width // 12 + 1, 3), np.uint8)
    big = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    big[:, width // 2 :] //= 2
    return np.clip(big.astype(int) + dice.choice([-8, 8], big.shape), 0, 255).astype(np.uint8)


@pytest.mark.parametrize(("height", "width"), [(40, 56), (23, 31), (300, 9)])
def test_guided_filter_is_the_papers(height: int, width: int):
    guide, source = textured(height, width).astype(np.float32), textured(height, width, 1).astype(np.float32)
    ours = Guide(guide, 4, 16.0).filter(source)
    assert np.abs(ours - plain_guided(guide.astype(np.float64), source.astype(np.float64), 4, 16.0)).max() < 0.01


def test_guided_filter_of_a_grey_guide_is_exact_though_its_covariance_is_nearly_singular():
    guide = np.repeat(textured(60, 60)[..., :1], 3, axis=2).astype(np.float32)
    source = textured(60, 60, 1).astype(np.float32)
    assert (
        np.abs(
            Guide(guide, 4, 16.0).filter(source) - plain_guided(guide.astype(float), source.astype(float), 4, 16.0)
        ).max()
        < 0.01
    )


def test_strips_and_threads_change_nothing():
    guide, source = textured(400, 64).astype(np.float32), textured(400, 64, 1).astype(np.float32)
    whole = Guide(guide, 4, 16.0, threads=1).filter(source)
    assert np.array_equal(whole, Guide(guide, 4, 16.0, threads=3).filter(source))
    middle = Guide(guide[100:300], 4, 16.0).filter(source[100:300])
    assert np.abs(middle[8:-8] - whole[108:292]).max() < 1e-3


@pytest.mark.parametrize("seed", [0, 1])
def test_cleaner_equals_the_plain_implementation(seed: int):
    picture = textured(72, 96, seed)
    with Adverse().open("cpu") as clean:
        ours = clean(picture)
    assert ours.dtype == np.uint8
    assert np.abs(ours - plain(picture)).max() <= 1


@pytest.mark.skipif(not (DATA / "photos").is_dir(), reason="needs ../shared/data/photos")
def test_cleaner_equals_the_plain_implementation_on_a_photo():
    with Image.open(DATA / "photos/dog/00.jpg") as image:
        picture = np.asarray(image.convert("RGB").resize((160, 160)))
    with Adverse().open("cpu") as clean:
        assert np.abs(clean(picture) - plain(picture)).max() <= 1


@pytest.mark.parametrize("shape", [(72, 96), (1, 1), (1, 7), (2, 2), (3, 60)])
def test_the_gpus_bilateral_passes_equal_opencvs(shape: tuple[int, int]):
    picture = textured(*shape).astype(np.float32)
    ours = by_torch(picture, 64, 5, 8.0, torch.device("cpu"))
    assert ours.dtype == np.float32
    assert np.abs(ours - by_opencv(picture, 64, 5, 8.0)).max() < 0.25
    assert min(shape) < 3 or np.abs(ours - picture).max() > 1


def test_the_gpus_bilateral_passes_on_another_disc():
    picture = textured(50, 40).astype(np.float32)
    assert np.abs(by_torch(picture, 5, 7, 12.0, torch.device("cpu")) - by_opencv(picture, 5, 7, 12.0)).max() < 0.05


@pytest.mark.gpu
def test_cleaner_on_a_gpu_equals_the_cpu():
    if not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")
    picture = textured(200, 300)
    with Adverse().open("cpu") as one, Adverse().open("cuda") as other:
        assert np.abs(one(picture).astype(int) - other(picture)).max() <= 1


def test_a_gpu_that_is_not_there_is_said():
    if torch.cuda.is_available():
        pytest.skip("has CUDA")
    with pytest.raises(MissingModelError, match="cuda"), Adverse().open("cuda"):
        pass


def test_noise_goes_and_edges_stay():
    dice = np.random.default_rng(5)
    clean_picture = np.full((96, 96, 3), 60, np.uint8)
    clean_picture[:, 48:] = (200, 170, 140)
    noisy = np.clip(clean_picture.astype(int) + dice.choice([-8, 8], clean_picture.shape), 0, 255).astype(np.uint8)
    with Adverse().open("cpu") as clean:
        cleaned = clean(noisy)
    assert psnr(clean_picture, noisy) < 31
    assert psnr(clean_picture, cleaned) > 36
    assert abs(int(cleaned[48, 46, 0]) - 60) < 8
    assert abs(int(cleaned[48, 49, 0]) - 200) < 8


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 40, 3), (5, 3, 3)])
def test_tiny_pictures(shape: tuple[int, int, int]):
    picture = np.full(shape, 77, np.uint8)
    with Adverse().open("cpu") as clean:
        assert np.array_equal(clean(picture), picture)


def test_registry_and_pickle():
    assert names() == ["adverse", "diffusion", "down-up", "upscale"]
    assert pickle.loads(pickle.dumps(Adverse(passes=3))) == Adverse(passes=3)
