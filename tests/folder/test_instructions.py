"""What a person asks for a picture in the review page: kept in the ledger, undone as every other change."""

from __future__ import annotations

import io
import sqlite3
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from curate import drive
from curate.core.store import Store
from curate.core.transform import Transform
from curate.errors import InputError
from curate.folder import instructions, painted_masks
from tests.folder.helpers import Project, photo

HALF = Transform((0.0, 0.0, 0.5, 1.0))


@pytest.fixture
def zoo(project: Project) -> Project:
    """Two dogs and a cat, prepared once."""
    project.concepts = {"dog": {"trigger": ["zwx dog"]}, "cat": {"trigger": ["qvk cat"], "repeats": 3}}
    for n, name in enumerate(("dog/a.png", "dog/b.png", "cat/c.png")):
        photo(project.place / "in" / name, n)
        (project.place / "in" / name).with_suffix(".txt").write_text("grass", encoding="utf-8")
    project.run()
    return project


def kept(folder: Path) -> dict[str, Transform]:
    with Store(folder) as store:
        return {key: one for (_, key), one in instructions.transforms(store).items()}


def overrides(folder: Path) -> dict[str, str]:
    with Store(folder) as store:
        return {key: one for (_, key), one in instructions.concepts(store).items()}


@pytest.mark.parametrize("rotate", [0, 90, 180, 270])
@pytest.mark.parametrize("flip", [False, True])
def test_turn_then_mirror_then_crop(rotate: int, flip: bool) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (80, 120, 3), np.uint8)
    expected = np.rot90(pixels, -rotate // 90)[:, ::-1] if flip else np.rot90(pixels, -rotate // 90)
    height, width = expected.shape[:2]
    crop = expected[height // 4 : height // 2, width // 10 : width // 2]
    one = Transform((0.1, 0.25, 0.4, 0.25), rotate, flip)
    assert np.array_equal(one.apply(pixels), crop)
    second = Transform((0.5, 0.0, 0.5, 1.0), 90, not flip)
    assert np.array_equal(one.then(second).apply(pixels), second.apply(one.apply(pixels)))


@pytest.mark.parametrize(
    "plain",
    [
        {"crop": [0.5, 0, 0.6, 1]},
        {"crop": [-0.1, 0, 0.5, 1]},
        {"crop": [0, 0, 0, 1]},
        {"crop": [0, 0, float("nan"), 1]},
        {"crop": [0, 0, 1]},
        {"crop": "all"},
        {"crop": [0, 0, True, 1]},
        {"rotate": 45},
        {"rotate": "90"},
        {"flip": 1},
        {"turn": 90},
    ],
)
def test_values_that_no_picture_can_take_are_refused(plain: dict[str, object]) -> None:
    with pytest.raises(InputError):
        Transform.from_plain(plain)


def test_the_whole_picture_is_no_crop() -> None:
    assert Transform((0, 0, 1, 1)).is_empty
    assert Transform.from_plain({"crop": None, "rotate": 0, "flip": False}).is_empty
    assert Transform((1 / 3, 0, 2 / 3, 1)).box(48, 32) == (16, 0, 48, 32)


def test_a_transform_is_kept_and_undone(zoo: Project) -> None:
    instructions.keep_transform(zoo.out, "1_zwx dog/a.png", HALF)
    assert kept(zoo.out) == {"dog/a.png": HALF}
    turned = Transform(rotate=90)
    instructions.keep_transform(zoo.out, "1_zwx dog/a.png", turned)
    assert kept(zoo.out) == {"dog/a.png": turned}
    assert drive.undo(zoo.out)[1] == 1
    assert kept(zoo.out) == {"dog/a.png": HALF}
    instructions.keep_transform(zoo.out, "1_zwx dog/a.png", Transform())
    assert kept(zoo.out) == {}
    drive.undo(zoo.out)
    drive.undo(zoo.out)
    assert kept(zoo.out) == {}
    with pytest.raises(InputError, match="nothing to undo"):
        drive.undo(zoo.out)


def test_pictures_go_to_another_concept_as_one_change(zoo: Project) -> None:
    both = ["1_zwx dog/a.png", "1_zwx dog/b.png"]
    instructions.keep_concepts(zoo.out, both, "2_cat")
    assert overrides(zoo.out) == {"dog/a.png": "cat", "dog/b.png": "cat"}
    instructions.keep_concept(zoo.out, both[0], "dog")
    assert overrides(zoo.out) == {"dog/b.png": "cat"}
    drive.undo(zoo.out)
    drive.undo(zoo.out)
    assert overrides(zoo.out) == {}


@pytest.mark.parametrize("path", ["../in/dog/a.png", "1_zwx dog/none.png", "1_zwx dog/a.txt", ".curate/lock"])
def test_only_pictures_in_the_folder(zoo: Project, path: str) -> None:
    with pytest.raises(InputError, match="there is no picture"):
        instructions.keep_transform(zoo.out, path, HALF)
    with pytest.raises(InputError, match="there is no picture"):
        instructions.keep_concept(zoo.out, path, "cat")
    assert not kept(zoo.out) and not overrides(zoo.out)


@pytest.mark.parametrize("name", ["", " ", "a/b", "..", "con"])
def test_a_concept_is_a_folder_name(zoo: Project, name: str) -> None:
    with pytest.raises(InputError, match="cannot be a concept"):
        instructions.keep_concept(zoo.out, "1_zwx dog/a.png", name)


def test_a_crop_leaves_some_pixels(zoo: Project) -> None:
    with pytest.raises(InputError, match=r"leaves 5×32 of 48×32 pixels"):
        instructions.keep_transform(zoo.out, "1_zwx dog/a.png", Transform((0, 0, 0.1, 1)))


def test_a_folder_of_the_users_own_keeps_them_in_a_ledger_of_its_own(tmp_path: Path) -> None:
    file = photo(tmp_path / "mine/dog/a.png", 1)
    before = file.read_bytes()
    instructions.keep_transform(tmp_path / "mine", "dog/a.png", HALF)
    assert kept(tmp_path / "mine") == {"dog/a.png": HALF}
    assert file.read_bytes() == before
    drive.undo(tmp_path / "mine")
    assert kept(tmp_path / "mine") == {}


def test_undo_after_a_run_keeps_what_the_run_wrote(zoo: Project) -> None:
    instructions.keep_transform(zoo.out, "1_zwx dog/a.png", HALF)
    zoo.concepts["dog"]["trigger"] = ["other dog"]
    zoo.run()
    drive.undo(zoo.out)
    files = zoo.files()
    zoo.run()
    assert zoo.files().keys() == files.keys() and "1_other dog/b.png" in files


def test_a_ledger_of_the_version_before_is_read(zoo: Project) -> None:
    db = sqlite3.connect(zoo.out / ".curate/ledger.sqlite")
    with db:
        db.execute("DROP TABLE transforms")
        db.execute("DROP TABLE concept_overrides")
        db.execute("DROP TABLE painted_masks")
        db.execute("PRAGMA user_version=6")
    db.close()
    before = zoo.files()
    figures = zoo.run().figures
    assert zoo.files() == before and not figures["computed"]
    instructions.keep_transform(zoo.out, "1_zwx dog/a.png", HALF)
    assert kept(zoo.out) == {"dog/a.png": HALF}


def png(mask: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(mask).save(file, "PNG")
    return file.getvalue()


def test_a_mask_is_painted_and_undone(zoo: Project) -> None:
    grey = np.zeros((32, 48), np.uint8)
    grey[:, :20] = 255
    painted_masks.keep_mask(zoo.out, "1_zwx dog/a.png", png(grey))
    file = zoo.out / "masks/1_zwx dog/a.png"
    assert np.array_equal(np.asarray(Image.open(file)), grey)
    rgba = np.dstack([np.full((32, 48, 3), 255, np.uint8), 255 - grey])
    painted_masks.keep_mask(zoo.out, "1_zwx dog/a.png", png(rgba))
    assert np.array_equal(np.asarray(Image.open(file)), 255 - grey), "what is transparent counts as black"
    drive.undo(zoo.out)
    assert np.array_equal(np.asarray(Image.open(file)), grey)
    painted_masks.keep_mask(zoo.out, "1_zwx dog/a.png", None)
    assert not file.exists()
    drive.undo(zoo.out)
    drive.undo(zoo.out)
    assert not file.parent.exists()


@pytest.mark.parametrize("data", [b"no picture", png(np.zeros((32, 47), np.uint8))])
def test_a_mask_fits_its_picture(zoo: Project, data: bytes) -> None:
    with pytest.raises(InputError, match=r"cannot be read|47×32 pixels, the picture 48×32"):
        painted_masks.keep_mask(zoo.out, "1_zwx dog/a.png", data)
    assert not (zoo.out / "masks").exists()
