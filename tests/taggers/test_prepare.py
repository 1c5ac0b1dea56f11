"""Preparation is what Pillow gives for each family's written rules, to the bit."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from taggers.families.wd import Wd
from taggers.prepare import opaque, pad_square, square, stretch


@pytest.mark.parametrize(
    ("height", "width"),
    [(30, 50), (50, 30), (33, 77), (448, 600), (600, 448), (448, 448), (1, 90), (90, 1), (1000, 999), (64, 64)],
)
def test_square_equals_padding_then_resizing_in_pillow(height: int, width: int) -> None:
    picture = np.random.default_rng(height * width).integers(0, 256, (height, width, 3), dtype=np.uint8)
    side = max(height, width)
    canvas = Image.new("RGB", (side, side), (255, 255, 255))
    canvas.paste(Image.fromarray(picture), ((side - width) // 2, (side - height) // 2))
    expected = canvas if side == 448 else canvas.resize((448, 448), Image.Resampling.BICUBIC)
    assert np.array_equal(square(picture, 448), np.asarray(expected))


def test_odd_padding_goes_right_and_down() -> None:
    padded = np.asarray(pad_square(np.zeros((4, 1, 3), np.uint8)))
    assert padded[0, :, 0].tolist() == [255, 0, 255, 255]
    padded = np.asarray(pad_square(np.zeros((1, 4, 3), np.uint8)))
    assert padded[:, 0, 0].tolist() == [255, 0, 255, 255]


def test_transparent_pixels_become_white_and_half_transparent_ones_half() -> None:
    picture = np.array([[[10, 20, 30, 0], [0, 0, 0, 255], [0, 0, 0, 128]]], np.uint8)
    assert opaque(picture)[0].tolist() == [[255, 255, 255], [0, 0, 0], [127, 127, 127]]
    assert opaque(picture[..., :3]) is picture[..., :3] or np.array_equal(opaque(picture[..., :3]), picture[..., :3])
    assert opaque(picture[..., 0]).shape == (1, 3, 3)


def test_wd_tensor_by_hand() -> None:
    """A 2×1 picture, red over blue, padded on the right to 2×2 and not resized: BGR, 0..255, channels last."""
    picture = np.array([[[255, 0, 0]], [[0, 0, 200]]], np.uint8)
    tensor = Wd().prepare(picture, 2, ())
    assert tensor.dtype == np.float32
    assert tensor.tolist() == [[[0, 0, 255], [255, 255, 255]], [[200, 0, 0], [255, 255, 255]]]


def test_golden_bicubic() -> None:
    """Pillow's bicubic (a = -0.5) of the ramp 0, 100, 200, 250 to two: computed by hand from its kernel.

    Scale 2, support 4: the weights of the outputs at 1 and 3 are the kernel at (x + 0.5 - centre) / 2, normalised.
    """

    def kernel(x: float) -> float:
        x = abs(x)
        if x < 1:
            return 1.5 * x**3 - 2.5 * x**2 + 1
        return -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2 if x < 2 else 0.0

    ramp = [0, 100, 200, 250]
    expected: list[int] = []
    for centre in (1.0, 3.0):
        weights = [kernel((i + 0.5 - centre) / 2) for i in range(4)]
        expected.append(round(sum(w * v for w, v in zip(weights, ramp, strict=True)) / sum(weights)))
    picture = np.repeat(np.array(ramp, np.uint8)[None, :, None], 3, axis=2).repeat(4, axis=0)
    assert square(picture, 2)[0, :, 0].tolist() == expected


def test_stretch_ignores_the_aspect_ratio() -> None:
    assert stretch(np.full((10, 30, 3), 7, np.uint8), 8).tolist() == np.full((8, 8, 3), 7).tolist()
