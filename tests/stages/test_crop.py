"""Stage crop: borders, given boxes, ratios and detectors."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from curate.core.stage import Pixels
from curate.errors import InputError, PictureError
from curate.images.analysis.borders import trimmed
from curate.images.analysis.boxes import Box
from curate.images.analysis.object_detector import Detector
from curate.stages.crop import Crop
from tests.stages.detectors import layouts, model
from tests.stages.helpers import env, held, run


def noise(height: int, width: int) -> Pixels:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)


SUBJECT = Box(50, 20, 110, 70)


def framed(height: int = 100, width: int = 200, box: Box = SUBJECT) -> Pixels:
    pixels = np.full((height, width, 3), 250, np.uint8)
    pixels[box.top : box.bottom, box.left : box.right] = noise(box.height, box.width)
    return pixels


def cropped(tmp_path: Path, pixels: Pixels, key: str = "dog/a.png", **options: object) -> Pixels:
    where = env(tmp_path)
    (done,) = run(Crop(**options), where, held(where, pixels, key))
    return where.pixels(done)


def round_subject(height: int = 100, width: int = 200, box: Box = SUBJECT) -> Pixels:
    """A disc of noise on a flat background."""
    y, x = np.mgrid[:height, :width] + 0.5
    away = ((x - (box.left + box.right) / 2) / (box.width / 2)) ** 2
    away += ((y - (box.top + box.bottom) / 2) / (box.height / 2)) ** 2
    return np.where((away <= 1)[:, :, None], framed(height, width, box), 250).astype(np.uint8)


def test_background_goes_and_padding_stays(tmp_path: Path) -> None:
    pixels = round_subject()
    assert np.array_equal(cropped(tmp_path, pixels, padding=0), pixels[20:70, 50:110])
    assert np.array_equal(cropped(tmp_path, pixels, padding=0.1), pixels[14:76, 44:116])
    assert np.array_equal(cropped(tmp_path, pixels, trim=False), pixels)


@pytest.mark.parametrize("padding", [0, 0.03, 0.5])
def test_padding_does_not_reach_back_into_a_border(tmp_path: Path, padding: float) -> None:
    pixels = framed()
    assert np.array_equal(cropped(tmp_path, pixels, padding=padding), pixels[20:70, 50:110])


def test_padding_stays_inside_the_frame_around_a_background(tmp_path: Path) -> None:
    pixels = np.zeros((124, 240, 3), np.uint8)
    pixels[12:-12, 20:-20] = round_subject()
    assert np.array_equal(cropped(tmp_path, pixels, padding=0.1), round_subject()[14:76, 44:116])
    assert np.array_equal(cropped(tmp_path, pixels, padding=1), round_subject()[:, :170])


def test_a_thin_frame_goes_however_little_it_is(tmp_path: Path) -> None:
    pixels = np.zeros((400, 600, 3), np.uint8)
    pixels[3:-3, 3:-3] = noise(394, 594)
    assert np.array_equal(cropped(tmp_path, pixels), pixels[3:-3, 3:-3])


def test_bars_of_different_colours_with_compression_noise(tmp_path: Path) -> None:
    pixels = noise(200, 300)
    pixels[:30] = 3
    pixels[-40:] = 128
    pixels[:30] += np.random.default_rng(1).integers(0, 6, (30, 300, 3), np.uint8)
    assert trimmed(pixels, 12) == ((0, 30, 300, 160), (0, 30, 300, 160))


def test_what_gains_little_or_is_blank_stays(tmp_path: Path) -> None:
    pixels = framed(box=Box(1, 1, 199, 99))
    assert np.array_equal(cropped(tmp_path, pixels, padding=0), pixels)
    blank = np.full((50, 60, 3), 9, np.uint8)
    assert np.array_equal(cropped(tmp_path, blank), blank)


def test_given_boxes_go_before_all_else(tmp_path: Path) -> None:
    pixels = framed()
    boxes = {"a.png": (10, 5, 30, 25), "left_*": (0, 0, 7, 9)}
    assert np.array_equal(cropped(tmp_path, pixels, boxes=boxes), pixels[5:25, 10:30])
    assert cropped(tmp_path, pixels, "dog/left_2.jpg", boxes=boxes).shape == (9, 7, 3)
    with pytest.raises(PictureError, match="beyond"):
        cropped(tmp_path, pixels, boxes={"a": (0, 0, 201, 50)})
    with pytest.raises(ValidationError, match="not a box"):
        Crop(boxes={"a": (5, 5, 5, 9)})


def test_a_wide_picture_is_cut_to_where_most_happens(tmp_path: Path) -> None:
    pixels = np.full((50, 400, 3), 128, np.uint8)
    pixels[:, ::40] = 100
    pixels[10:40, 290:350] = noise(30, 60)
    found = cropped(tmp_path, pixels, trim=False, aspect=2)
    assert found.shape == (50, 100, 3)
    assert (found[10:40].std(axis=(0, 2)) > 30).sum() == 60
    tall = cropped(tmp_path, np.ascontiguousarray(pixels.transpose(1, 0, 2)), trim=False, aspect=2)
    assert tall.shape == (100, 50, 3)
    assert cropped(tmp_path, pixels, trim=False, aspect=8).shape == pixels.shape


# in a picture of 200 × 100 letterboxed to 64 × 64, the factor is 0.32 and 16 rows lie above: (50, 20)-(110, 70)


@pytest.mark.parametrize("layout", layouts())
def test_detectors_of_every_layout(tmp_path: Path, layout: str) -> None:
    path = model(tmp_path / "d.onnx", layouts()[layout])
    (found,) = Detector(path)(framed(), 0.4)
    assert found.box == (50, 20, 110, 70)
    assert found.class_id == 1
    assert math.isclose(found.score, 0.86, abs_tol=0.01)
    assert np.array_equal(cropped(tmp_path, framed(), model=path, padding=0), framed()[20:70, 50:110])
    assert cropped(tmp_path, framed(), model=path, classes=(0,), trim=False).shape == (100, 200, 3)


def test_what_is_no_detector_says_so(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        Detector(tmp_path / "none.onnx")
    (tmp_path / "bad.onnx").write_bytes(b"no model")
    with pytest.raises(InputError, match="not an ONNX model"):
        Detector(tmp_path / "bad.onnx")
    with pytest.raises(InputError, match="not known"):
        Detector(model(tmp_path / "odd.onnx", np.zeros((1, 2, 3, 4))))(framed(), 0.4)


def test_the_detector_counts_by_content(tmp_path: Path) -> None:
    first, second = Crop(model=Path("a.onnx")), Crop(model=Path("b/c.onnx"))
    assert first.key_options() == second.key_options()
    assert first.key_options() != Crop().key_options()
    assert list(first.files(env(tmp_path))) == [Path("a.onnx")]
