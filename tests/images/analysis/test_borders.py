"""Borders of a picture: found as wide as they are, and not seen where there are none."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image, ImageDraw

from curate.core.stage import Pixels
from curate.images.analysis.borders import borders

Widths = tuple[int, int, int, int]
NONE = (0, 0, 0, 0)


def scene(seed: int, width: int = 360, height: int = 300) -> Pixels:
    """A picture with structure at several scales, nowhere black or white."""
    rng = np.random.default_rng(seed)
    total = np.zeros((height, width, 3))
    for cells in (2, 5, 40):
        grain = rng.integers(0, 256, (cells, cells, 3), np.uint8)
        total += np.asarray(Image.fromarray(grain).resize((width, height), Image.Resampling.BICUBIC), np.float64)
    return (40 + total * (170 / 765)).astype(np.uint8)


def framed(pixels: Pixels, widths: Widths, color: tuple[int, int, int] = (0, 0, 0)) -> Pixels:
    left, top, right, bottom = widths
    canvas = np.empty((pixels.shape[0] + top + bottom, pixels.shape[1] + left + right, 3), np.uint8)
    canvas[:] = color
    canvas[top : top + pixels.shape[0], left : left + pixels.shape[1]] = pixels
    return canvas


def jpeg(pixels: Pixels, quality: int) -> Pixels:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=quality)
    return np.asarray(Image.open(buffer))


FRAMES: list[tuple[Widths, tuple[int, int, int]]] = [
    ((12, 12, 12, 12), (0, 0, 0)),
    ((2, 2, 2, 2), (255, 255, 255)),
    ((0, 60, 0, 60), (0, 0, 0)),
    ((45, 0, 71, 0), (16, 16, 16)),
    ((20, 30, 40, 50), (200, 30, 60)),
    ((0, 0, 0, 64), (255, 255, 255)),
    ((9, 0, 0, 0), (0, 0, 0)),
]


@pytest.mark.parametrize(("widths", "color"), FRAMES)
@pytest.mark.parametrize("seed", range(5))
def test_frames_and_letterboxes_are_as_wide_as_they_are(widths: Widths, color: tuple[int, int, int], seed: int) -> None:
    assert borders(framed(scene(seed), widths, color)) == widths


@pytest.mark.parametrize("seed", range(5))
def test_frames_of_several_colors(seed: int) -> None:
    nested = framed(framed(scene(seed), (9, 9, 9, 9)), (25, 20, 25, 20), (255, 255, 255))
    assert borders(nested) == (34, 29, 34, 29)
    wood = framed(framed(nested, (6, 6, 6, 6), (90, 60, 20)), (3, 3, 3, 3), (240, 240, 90))
    assert borders(wood) == (43, 38, 43, 38)
    sides = framed(framed(scene(seed), (0, 20, 0, 30), (10, 200, 40)), (15, 0, 25, 0), (240, 240, 90))
    assert borders(sides) == (15, 20, 25, 30)


@pytest.mark.parametrize("quality", [20, 35, 50, 75, 90])
@pytest.mark.parametrize("color", [(0, 0, 0), (250, 250, 250), (30, 60, 150)])
def test_frames_with_the_noise_of_jpeg(quality: int, color: tuple[int, int, int]) -> None:
    widths = (13, 21, 11, 29)
    found = borders(jpeg(framed(scene(quality), widths, color), quality))
    assert all(0 <= width - true <= 3 for width, true in zip(found, widths, strict=True)), found


@pytest.mark.parametrize("seed", range(5))
def test_frames_with_the_grain_of_a_scan(seed: int) -> None:
    widths = (13, 21, 11, 29)
    noise = np.random.default_rng(seed).normal(0, 4, (350, 384, 3))
    found = borders(np.clip(framed(scene(seed), widths, (20, 20, 20)) + noise, 0, 255).astype(np.uint8))
    assert all(0 <= width - true <= 1 for width, true in zip(found, widths, strict=True)), found


@pytest.mark.parametrize("factor", [0.5, 0.7, 0.83, 1.37, 2.2])
def test_frames_whose_edges_scaling_has_smeared(factor: float) -> None:
    whole = Image.fromarray(framed(scene(3), (20, 30, 40, 50)))
    size = (round(whole.width * factor), round(whole.height * factor))
    found = borders(np.asarray(whole.resize(size, Image.Resampling.LANCZOS)))
    assert all(-0.6 <= width - true * factor <= 2.1 for width, true in zip(found, (20, 30, 40, 50), strict=True)), found


@pytest.mark.parametrize(("width", "radius"), [(20, 30), (8, 12), (0, 40), (0, 20), (40, 50)])
@pytest.mark.parametrize("color", [(0, 0, 0), (255, 255, 255)])
def test_rounded_corners_go_with_the_frame(width: int, radius: int, color: tuple[int, int, int]) -> None:
    inner = Image.fromarray(scene(radius))
    mask = Image.new("L", (inner.width * 4, inner.height * 4))
    ImageDraw.Draw(mask).rounded_rectangle((0, 0, mask.width - 1, mask.height - 1), radius * 4, fill=255)
    whole = Image.new("RGB", (inner.width + 2 * width, inner.height + 2 * width), color)
    whole.paste(inner, (width, width), mask.resize(inner.size, Image.Resampling.LANCZOS))
    for pixels in (np.asarray(whole), jpeg(np.asarray(whole), 70)):
        found = borders(pixels)
        assert all(0 <= w - width - radius * (1 - 0.5**0.5) <= 4 for w in found), found


def disc(draw: ImageDraw.ImageDraw) -> None:
    draw.ellipse((80, 60, 280, 260), fill=(200, 40, 40))


def star(draw: ImageDraw.ImageDraw) -> None:
    draw.polygon([(180, 20), (220, 130), (340, 150), (240, 200), (260, 290), (180, 230), (90, 280), (110, 190)], 90)


def meadow(draw: ImageDraw.ImageDraw) -> None:
    """A flat sky and a flat meadow; a house stands before both."""
    draw.rectangle((0, 180, 359, 299), fill=(60, 150, 50))
    draw.polygon([(120, 240), (120, 150), (170, 100), (220, 150), (220, 240)], fill=(160, 80, 40))


def horizon(draw: ImageDraw.ImageDraw) -> None:
    """A blue sky that ends in a straight line above rough ground."""
    draw.bitmap((0, 150), Image.fromarray(scene(1)[:150, :, 0]), fill=(90, 70, 40))


def person(draw: ImageDraw.ImageDraw) -> None:
    """A figure that the lower edge cuts."""
    draw.ellipse((140, 40, 220, 130), fill=(230, 190, 160))
    draw.polygon([(90, 299), (110, 150), (250, 150), (270, 299)], fill=(40, 60, 160))


def shirt(draw: ImageDraw.ImageDraw) -> None:
    draw.polygon(
        [(100, 60), (150, 40), (210, 40), (260, 60), (320, 140), (270, 150), (265, 280), (95, 280), (40, 140)], 9
    )


SKIES = [(horizon, (120, 180, 240)), (horizon, (230, 140, 90))]  # a black or white one cannot be told from a bar
SUBJECTS = [
    (drawing, ground)
    for drawing in (disc, star, meadow, person, shirt)
    for ground in ((255, 255, 255), (120, 180, 240), (0, 0, 0))
]


@pytest.mark.parametrize(("drawing", "ground"), SKIES + SUBJECTS)
def test_a_flat_background_is_no_border(
    drawing: Callable[[ImageDraw.ImageDraw], None], ground: tuple[int, int, int]
) -> None:
    canvas = Image.new("RGB", (360, 300), ground)
    drawing(ImageDraw.Draw(canvas))
    assert borders(np.asarray(canvas)) == NONE


@pytest.mark.parametrize("seed", range(10))
def test_a_picture_without_borders_has_none(seed: int) -> None:
    assert borders(scene(seed)) == NONE
    assert borders(jpeg(scene(seed, 250, 420), 30)) == NONE


def test_blank_and_tiny_pictures() -> None:
    for shape in ((1, 1, 3), (2, 40, 3), (8, 8, 3), (60, 50, 3)):
        assert borders(np.full(shape, 200, np.uint8)) == NONE
