"""Stage split: sheets come apart, ordinary pictures stay whole."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from curate.core.stage import Pixels
from curate.images import read_picture
from curate.stages.split import Split
from tests.stages.helpers import env, held, run


@pytest.fixture(scope="module")
def figures(data: Path) -> list[Pixels]:
    folder = data / "sprites"
    names = ("eileen/eileen happy.png", "sylvie/sylvie blue normal.png", "sylvie/sylvie green smile.png")
    return [read_picture(folder / name).pixels for name in names]


def sheet(figures: list[Pixels], gap: int = 40, colour: int = 255) -> Pixels:
    """Figures side by side, as tight as their boxes and `gap` allow."""
    height = max(f.shape[0] for f in figures) + 2 * gap
    columns: list[Pixels] = [np.full((height, gap, 3), colour, np.uint8)]
    for figure in figures:
        column = np.full((height, figure.shape[1], 3), colour, np.uint8)
        column[gap : gap + figure.shape[0]] = np.where(figure == 255, colour, figure)
        columns += [column, columns[0]]
    return np.concatenate(columns, axis=1)


@pytest.mark.parametrize("colour", [255, 230])
def test_each_figure_becomes_a_picture(tmp_path: Path, figures: list[Pixels], colour: int) -> None:
    where = env(tmp_path)
    record = dataclasses.replace(
        held(where, sheet(figures, colour=colour), "eileen/all.png"), tags=("1girl", "reference_sheet")
    )
    parts = run(Split(), where, record)
    assert [p.key for p in parts] == ["eileen/all.png#1", "eileen/all.png#2", "eileen/all.png#3"]
    assert {p.tags for p in parts} == {("1girl",)}
    for part, figure in zip(parts, figures, strict=True):
        drawn = np.argwhere((figure != 255).any(axis=2))
        height = drawn[:, 0].max() - drawn[:, 0].min()
        assert abs(part.image.height - height * 1.08) < 0.06 * height
        assert (where.pixels(part)[0] == colour).mean() > 0.5


def test_a_neighbour_that_reaches_into_the_box_is_painted_over(tmp_path: Path) -> None:
    pixels = np.full((600, 700, 3), 255, np.uint8)
    cv2.rectangle(pixels, (40, 40), (300, 560), (200, 0, 0), -1)
    cv2.rectangle(pixels, (340, 300), (640, 560), (0, 0, 200), -1)
    cv2.rectangle(pixels, (340, 100), (640, 560), (0, 0, 200), 12)
    pixels[20:40, 40:660] = 255
    cv2.line(pixels, (300, 50), (330, 50), (200, 0, 0), 12)  # the red one's arm
    where = env(tmp_path)
    red, blue = run(Split(padding=0.1), where, held(where, pixels))
    assert not (where.pixels(red) == (0, 0, 200)).all(axis=2).any()
    assert not (where.pixels(blue) == (200, 0, 0)).all(axis=2).any()


def test_small_labels_are_no_figures(tmp_path: Path, figures: list[Pixels]) -> None:
    pixels = sheet(figures[:2])
    cv2.putText(pixels, "ref", (10, 30), cv2.FONT_HERSHEY_SIMPLEX, 0.7, (0, 0, 0), 2)
    where = env(tmp_path)
    assert len(run(Split(), where, held(where, pixels))) == 2


def test_a_sheet_can_be_tagged_instead(tmp_path: Path, figures: list[Pixels]) -> None:
    where = env(tmp_path)
    pixels = sheet(figures)
    (tagged,) = run(Split(how="tag"), where, held(where, pixels))
    assert tagged.tags == ("multiple_views", "reference_sheet")
    assert tagged.facts["views"] == 3
    small = np.asarray(Image.fromarray(pixels).resize((pixels.shape[1] // 4, pixels.shape[0] // 4)))
    (too_small,) = run(Split(), where, held(where, small))
    assert too_small.tags == tagged.tags


def test_ordinary_pictures_stay_whole(tmp_path: Path, data: Path) -> None:
    where = env(tmp_path)
    photos = sorted((data / "photos").rglob("*.jpg"))[::4] + sorted((data / "photos" / "red_cartoon").glob("*.jpg"))
    sprites = sorted((data / "sprites").rglob("*.png"))
    for path in photos + sprites:
        assert len(Split().views(read_picture(path).pixels)) < 2, path
    blank = held(where, np.full((400, 400, 3), 255, np.uint8))
    assert run(Split(), where, blank) == [blank]
