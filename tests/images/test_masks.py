"""Masks: drawn over marks, changed as their pictures are, written beside the prepared pictures, and read again."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from curate.core.stage import Pixels
from curate.drive import Command, command
from curate.images import masks, read_picture
from curate.stages.crop import Crop
from curate.stages.export import Export
from curate.stages.flip import Flip
from curate.stages.marks import Marks
from curate.stages.resize import Resize
from curate.stages.split import Split
from tests.stages.helpers import env, held, run, signed

SIGNED = (0, 2, 4, 6, 8)


@pytest.fixture(scope="module")
def photos(data: Path) -> list[Pixels]:
    files = sorted((data / "photos").rglob("*.jpg"))[::4][:10]
    return [np.asarray(Image.fromarray(read_picture(f).pixels).resize((480, 360))) for f in files]


@pytest.fixture
def raw(tmp_path: Path, photos: list[Pixels]) -> Path:
    folder = tmp_path / "raw" / "dog"
    folder.mkdir(parents=True)
    for n, pixels in enumerate(photos):
        Image.fromarray(signed(pixels, 110) if n in SIGNED else pixels).save(folder / f"{n}.png")
    return tmp_path / "raw"


def mask(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        assert image.mode == "L"
        return np.asarray(image)


def carry_out(stage: object, source: Path, out: Path | None = None) -> None:
    command(Command(stage=stage, source=source, out=out, in_place=out is None, quiet=True))  # type: ignore[arg-type]


def test_marks_are_masked_where_they_are_and_masks_follow_their_pictures(raw: Path, tmp_path: Path) -> None:
    first, second, third = (tmp_path / name for name in ("first", "second", "third"))
    carry_out(Marks(action="mask"), raw, first)
    drawn = {n: mask(first / "masks" / "dog" / f"{n}.png") for n in range(10)}
    # one for each picture, since trainers want one for each; white where nothing is hidden
    masked = {n for n, m in drawn.items() if (m == 0).any()}
    assert {2, 4} <= masked <= set(SIGNED)
    assert len(masked) >= 4
    for n in masked:
        assert drawn[n].shape == (360, 480)
        assert (drawn[n][310:350, 380:460] == 0).mean() > 0.9
        assert (drawn[n][:300] == 255).all() and (drawn[n][:, :340] == 255).all()
    assert (mask(first / "masks" / "dog" / "1.png") == 255).all()

    carry_out(Flip(pictures=("2",)), first, second)
    assert np.array_equal(mask(second / "masks" / "dog" / "2.png"), drawn[2][:, ::-1])
    assert np.array_equal(mask(second / "masks" / "dog" / "4.png"), drawn[4])

    carry_out(Resize(max_side=240), second, third)
    small = mask(third / "masks" / "dog" / "4.png")
    assert small.shape == (180, 240)
    assert abs(small.mean() - drawn[4].mean()) < 1

    prepared = tmp_path / "prepared"
    carry_out(Export(also=("dataset.toml",)), third, prepared)
    assert np.array_equal(mask(prepared / "masks" / "1_dog" / "4.png"), small)
    assert (
        f'conditioning_data_dir = "{(prepared / "masks/1_dog").as_posix()}"' in (prepared / "dataset.toml").read_text()
    )


def test_a_mask_drawn_by_hand_is_kept_and_used(raw: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    carry_out(Marks(action="mask"), raw, out)
    file = out / "masks" / "dog" / "4.png"
    mine = np.full((360, 480), 255, np.uint8)
    mine[:100] = 0
    Image.fromarray(mine).convert("RGB").save(file)
    kept = file.read_bytes()
    carry_out(Marks(action="mask", least=5), raw, out)
    assert file.read_bytes() == kept
    carry_out(Flip(pictures=("4",)), out, tmp_path / "flipped")
    assert np.array_equal(mask(tmp_path / "flipped" / "masks" / "dog" / "4.png"), mine[:, ::-1])


def test_masks_that_are_no_longer_wanted_go_and_an_undone_command_takes_its_own(raw: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    carry_out(Marks(action="mask"), raw, out)
    assert (out / "masks").is_dir()
    carry_out(Marks(action="note"), raw, out)
    assert not (out / "masks").exists()


def test_pictures_below_masks_that_mask_nothing_are_pictures(tmp_path: Path) -> None:
    from curate.scan import list_pictures

    for name in ("masks/1_dog/a.png", "1_dog/a.jpg", "masks/b.png", "masks/1_dog/c.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8)).save(tmp_path / name)
    found = {f.key: f.mask for f in list_pictures([tmp_path], lambda _: None)}
    assert found == {"dog/a.jpg": tmp_path / "masks/1_dog/a.png", "masks/b.png": None, "masks/1_dog/c.png": None}


def test_cuts_take_the_mask_along(tmp_path: Path) -> None:
    where = env(tmp_path)
    drawn = np.random.default_rng(0).integers(0, 256, (60, 100), np.uint8)
    path = masks.save(drawn, where)
    sheet = np.full((60, 100, 3), 255, np.uint8)
    sheet[5:55, 5:40] = sheet[5:55, 60:95] = (90, 20, 20)
    record = dataclasses.replace(held(where, sheet), mask=path)
    (cropped,) = run(Crop(boxes={"a": (10, 20, 70, 50)}), where, record)
    assert np.array_equal(masks.read(where.root / cropped.mask), drawn[20:50, 10:70])
    where.held[record.key] = sheet
    left, right = run(Split(min_side=10, padding=0), where, record)
    assert np.array_equal(masks.read(where.root / left.mask), drawn[5:55, 5:40])
    assert np.array_equal(masks.read(where.root / right.mask), drawn[5:55, 60:95])
    assert np.array_equal(masks.read(where.root / path), drawn)
