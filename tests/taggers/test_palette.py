"""palette: the committed graph is what the script builds, and what it says of drawn pictures is true."""

from __future__ import annotations

import colorsys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

import taggers
from taggers import OpenTagger, Picture
from taggers.palette.build import HUES, TAGS, write
from taggers.select import rating

HERE = Path(taggers.__file__).parent / "palette"


@pytest.fixture(scope="module")
def palette() -> Iterator[OpenTagger]:
    with taggers.find("palette").open("cpu") as opened:
        yield opened


def tags(palette: OpenTagger, picture: Picture) -> set[str]:
    return {t for t, (s, c) in palette([picture])[0].items() if s > 0.5 and c != "rating"}


def drawn(
    background: tuple[int, int, int], shape: tuple[int, int, int] | None = None, size: tuple[int, int] = (600, 600)
) -> Picture:
    image = Image.new("RGB", size, background)
    if shape:
        box = (size[0] // 4, size[1] // 4, size[0] * 3 // 4, size[1] * 3 // 4)
        ImageDraw.Draw(image).ellipse(box, fill=shape)
    return np.asarray(image)


def test_rebuilding_gives_the_same_graph(tmp_path: Path) -> None:
    write(tmp_path)
    assert (tmp_path / "model.onnx").read_bytes() == (HERE / "model.onnx").read_bytes()
    assert (tmp_path / "selected_tags.csv").read_bytes() == (HERE / "selected_tags.csv").read_bytes()


def test_it_needs_no_network_and_few_bytes() -> None:
    assert sum(f.stat().st_size for f in taggers.find("palette", offline=True).files) < 20_000


@pytest.mark.parametrize("size", [(600, 600), (900, 500), (400, 800)])
@pytest.mark.parametrize(
    ("colour", "name"), [((255, 255, 255), "white"), ((0, 0, 0), "black"), ((128, 128, 128), "grey")]
)
def test_backgrounds(palette: OpenTagger, size: tuple[int, int], colour: tuple[int, int, int], name: str) -> None:
    found = tags(palette, drawn(colour, (200, 120, 40), size))
    assert {f"{name}_background", "simple_background"} <= found
    assert not {"white_background", "black_background", "grey_background"} - {f"{name}_background"} & found


@pytest.mark.parametrize("size", [(600, 600), (900, 500), (400, 800)])
def test_padding_is_no_white_background(palette: OpenTagger, size: tuple[int, int]) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (size[1] // 20, size[0] // 20, 3), dtype=np.uint8)
    busy = np.asarray(Image.fromarray(noise).resize(size))
    assert not {"white_background", "simple_background", "monochrome", "greyscale"} & tags(palette, busy)


@pytest.mark.parametrize(
    ("hue", "name"),
    [
        (0, "red"),
        (28, "orange"),
        (55, "yellow"),
        (120, "green"),
        (180, "aqua"),
        (230, "blue"),
        (275, "purple"),
        (320, "pink"),
    ],
)
def test_themes(palette: OpenTagger, hue: int, name: str) -> None:
    colour = tuple(int(255 * c) for c in colorsys.hsv_to_rgb(hue / 360, 0.8, 0.9))
    found = tags(palette, drawn(colour, (250, 250, 250)))  # type: ignore[arg-type]
    assert {t for t in found if t.endswith("_theme")} == {f"{name}_theme"}


def test_dark_orange_is_brown(palette: OpenTagger) -> None:
    found = tags(palette, drawn((110, 65, 20)))
    assert "brown_theme" in found
    assert "orange_theme" not in found


def test_grey_and_tinted_pictures(palette: OpenTagger) -> None:
    ramp = np.tile(np.linspace(0, 255, 600).astype(np.uint8)[None, :, None], (400, 1, 3))
    assert {"greyscale", "monochrome"} <= tags(palette, ramp)
    tinted = tags(palette, (ramp * np.array([1.0, 0.75, 0.5])).astype(np.uint8))
    assert "monochrome" in tinted
    assert "greyscale" not in tinted


def test_all_hues_are_colorful_and_not_simple(palette: OpenTagger) -> None:
    row = [[int(255 * c) for c in colorsys.hsv_to_rgb(i / 12, 1, 1)] for i in range(12)]
    picture = np.repeat(np.repeat(np.array([row], np.uint8), 50, axis=1), 600, axis=0)
    found = tags(palette, picture)
    assert "colorful" in found
    assert not {"monochrome", "simple_background", *(f"{h}_theme" for h in HUES)} & found


def test_dark_and_bright(palette: OpenTagger) -> None:
    assert "dark" in tags(palette, drawn((20, 20, 30), (40, 40, 40)))
    assert "dark" not in tags(palette, drawn((200, 200, 210), (90, 90, 90)))


def test_blank_pictures_give_no_nonsense(palette: OpenTagger) -> None:
    assert tags(palette, drawn((255, 255, 255))) == {"white_background", "simple_background", "monochrome", "greyscale"}
    scores = palette([drawn((255, 255, 255))])[0]
    assert all(0 <= s <= 1 for s, _ in scores.values())


def test_general_wins_and_all_tags_are_there(palette: OpenTagger) -> None:
    scores = {"palette": palette([drawn((9, 200, 30))])[0]}
    assert rating(scores, ["palette"]) == "general"
    assert set(scores["palette"]) == {"general", "sensitive", "questionable", "explicit", *TAGS}


def test_real_photos_and_drawings(palette: OpenTagger) -> None:
    folder = Path(__file__).parents[2] / "../shared/data/photos"
    if not folder.is_dir():
        pytest.skip(f"{folder} is missing")
    cartoon = np.asarray(Image.open(folder / "red_cartoon" / "00.jpg").convert("RGB"))
    assert {"white_background", "red_theme"} <= tags(palette, cartoon)
    dog = np.asarray(Image.open(folder / "dog" / "00.jpg").convert("RGB"))
    assert not {"white_background", "simple_background", "greyscale"} & tags(palette, dog)
