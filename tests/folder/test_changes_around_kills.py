"""What a person changes in a renamed folder, before and after a kill, is found again: words, pictures, leftovers."""

from __future__ import annotations

import os
import sqlite3

import numpy as np
import pytest
from PIL import Image

from curate.core.store import Store
from curate.drive import restore
from tests.folder.helpers import Project, killed
from tests.folder.world_model import pattern

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork to die in the middle of a run")

MINE = "zwx dog, written by me"
LATER = "zwx dog, written after the kill"
KILLS = range(0, 18, 3)
FILES = [f"1_zwx dog/{n}.{e}" for n in range(3) for e in ("png", "txt")]


def _repainted(project: Project, name: str) -> bytes:
    Image.fromarray(np.random.default_rng(5).integers(0, 256, (6, 6, 3), np.uint8)).save(project.out / name)
    return (project.out / name).read_bytes()


@pytest.mark.parametrize("kills", [1, 2])
@pytest.mark.parametrize("which", [0, -1])
def test_the_later_of_two_edits_wins_though_a_killed_run_copied_the_first(
    dogs: Project, kills: int, which: int
) -> None:
    dogs.edit("1_zwx dog/1.txt", MINE)
    (dogs.out / "1_zwx dog").rename(dogs.out / "my folder 9")
    for after in KILLS:
        project = dogs.twin(f"killed{after}")
        killed(project.run, after)
        place = sorted(project.out.glob("*/1.txt"))[which]
        place.write_text(LATER, encoding="utf-8")
        if kills == 2:
            killed(project.run, after)
        project.run()
        assert project.captions()["1_zwx dog/1.txt"] == LATER, after
        assert sorted(project.files()) == FILES, after
        assert set(project.edits().values()) == {LATER}


def test_a_later_edit_wins_where_a_changed_trigger_moves_the_first(dogs: Project) -> None:
    dogs.edit("1_zwx dog/1.txt", MINE)
    dogs.run()
    dogs.concepts["dog"]["trigger"] = ["qqq"]
    for after in KILLS:
        project = dogs.twin(f"killed{after}")
        killed(project.run, after)
        sorted(project.out.glob("*/1.txt"))[-1].write_text(LATER, encoding="utf-8")
        project.run()
        assert project.captions()["1_qqq/1.txt"] == LATER, after


def test_an_edit_that_is_made_again_after_another_is_the_newest(dogs: Project) -> None:
    for text in (MINE, LATER, MINE):
        dogs.edit("1_zwx dog/1.txt", text)
        killed(dogs.run, 1)
    dogs.run()
    assert dogs.captions()["1_zwx dog/1.txt"] == MINE


def test_the_caption_of_the_only_picture_leaves_a_renamed_folder_with_it(project: Project) -> None:
    project.picture("dog/0.png", 10)
    project.picture("robe/1.png", 20)
    project.run()
    (project.out / "1_robe").rename(project.out / "4_robe")
    (project.out / "4_robe/1.png").unlink()
    project.run()
    assert sorted(project.files()) == ["1_dog/0.png", "1_dog/0.txt"]


def test_an_edited_caption_of_the_only_picture_is_kept_where_a_person_finds_it(project: Project) -> None:
    project.picture("dog/0.png", 10)
    project.picture("robe/1.png", 20)
    project.run()
    (project.out / "1_robe").rename(project.out / "my folder 9")
    (project.out / "my folder 9/1.png").unlink()
    project.edit("my folder 9/1.txt", MINE)
    project.run()
    assert project.captions() == {"1_dog/0.txt": "dog, grass, sky", "unplaced captions/robe/1.png.txt": MINE}


def test_a_restored_picture_leaves_no_caption_in_a_folder_that_is_renamed(dogs: Project) -> None:
    dogs.edit("1_zwx dog/1.txt", MINE)
    (dogs.out / "1_zwx dog/1.png").unlink()
    restore(dogs.out, ())
    (dogs.out / "1_zwx dog").rename(dogs.out / "1_zwx dogx")
    dogs.run()
    assert sorted(dogs.files()) == FILES
    assert dogs.captions()["1_zwx dog/1.txt"] == MINE


def test_a_repainted_picture_returns_from_a_folder_renamed_around_kills(project: Project) -> None:
    project.picture("dog/0.png", 10)
    project.picture("robe/1.png", 20)
    project.run()
    hand = _repainted(project, "1_robe/1.png")
    (project.out / "1_robe").rename(project.out / "my folder 9")
    for after in KILLS:
        twin = project.twin(f"killed{after}")
        killed(twin.run, after)
        place = next(twin.out.glob("*/1.png")).parent
        place.rename(twin.out / "other")
        twin.run()
        assert sorted(twin.files()) == [f"1_{n}.{e}" for n in ("dog/0", "robe/1") for e in ("png", "txt")], after
        assert twin.files()["1_robe/1.png"] == hand


def test_an_edit_after_a_kill_follows_a_source_that_the_killed_run_saw_under_its_new_name(project: Project) -> None:
    pixels = np.asarray(Image.effect_noise((64, 64), 90).resize((16, 16)).resize((64, 64)))
    for n, name in enumerate(("dog/0.png", "dog/1.png")):
        path = project.picture(name)
        Image.fromarray(np.roll(pixels, 20 * n, 0)).save(path)
    project.run()
    source = project.place / "in/dog/1.png"
    Image.open(source).crop((2, 2, 64, 64)).save(source.with_name("cropped.png"))
    source.with_suffix(".txt").rename(source.with_name("cropped.txt"))
    source.unlink()
    for after in range(0, 12):
        twin = project.twin(f"killed{after}")
        killed(twin.run, after)
        old = twin.out / "1_dog/1.txt"
        if old.exists():
            old.write_text(MINE, encoding="utf-8")
            twin.run()
            assert twin.captions()["1_dog/cropped.txt"] == MINE, after
            assert len(twin.files()) == 4


def test_an_edit_follows_a_source_that_is_saved_again_between_two_kills(project: Project) -> None:
    for n in range(2):
        Image.fromarray(pattern(n)).save(project.picture(f"dog/{n}.png"))
    project.run()
    project.edit("1_dog/1.txt", LATER)
    project.run()
    source = project.place / "in/dog/1.png"
    cropped = source.with_name("cropped.png")
    Image.open(source).crop((2, 2, 32, 32)).save(cropped)
    source.with_suffix(".txt").rename(cropped.with_suffix(".txt"))
    source.unlink()
    twins = [project.twin(f"killed{after}") for after in range(8, 12)]
    for after, twin in enumerate(twins, 8):
        killed(twin.run, after)
    Image.open(cropped).crop((0, 0, 28, 28)).save(cropped)
    between = 0
    for twin in twins:
        for second in (4, 7, 9):
            again = twin.twin(f"{twin.name}-{second}")
            killed(again.run, second)
            if (again.out / "1_dog/cropped.txt").exists():
                between += (again.out / "1_dog/1.txt").exists()
                again.edit("1_dog/cropped.txt", MINE)
                again.run()
                assert again.captions() == {"1_dog/0.txt": "dog, grass, sky", "1_dog/cropped.txt": MINE}, again.name
    assert between


def test_a_caption_without_picture_follows_a_source_that_a_killed_run_was_about_to_write_again(
    project: Project,
) -> None:
    for n in range(2):
        path = project.picture(f"dog/{n}.png")
        Image.fromarray(pattern(n)).save(path)
    project.run()
    project.edit("1_dog/1.txt", MINE)
    (project.out / "1_dog/1.png").unlink()
    project.run()
    assert project.captions()["unplaced captions/dog/1.png.txt"] == MINE
    restore(project.out, ())
    twins = [project.twin(f"killed{after}") for after in range(14)]
    for after, twin in enumerate(twins):
        killed(twin.run, after)
    source = project.place / "in/dog/1.png"
    Image.open(source).crop((2, 2, 32, 32)).save(source.with_name("cropped.png"))
    source.with_suffix(".txt").rename(source.with_name("cropped.txt"))
    source.unlink()
    followed: list[int] = []
    for after, twin in enumerate(twins):
        with Store(twin.out) as store:
            begun = store.is_interrupted
        is_half_written = not (twin.out / "1_dog/1.png").exists()
        twin.run()
        assert MINE in twin.captions().values(), after
        if begun:
            assert twin.captions() == {"1_dog/0.txt": "dog, grass, sky", "1_dog/cropped.txt": MINE}, after
            followed += [after] if is_half_written else []
    assert followed


def test_an_edit_after_a_kill_before_its_suffix_changed_leaves_no_copy_in_a_renamed_folder(dogs: Project) -> None:
    dogs.stages = ["convert", {"captions": {"extension": ".caption"}}, "trigger", "export"]
    edited: list[int] = []
    for after in range(14):
        project = dogs.twin(f"killed{after}")
        killed(project.run, after)
        if (project.out / "1_zwx dog/1.caption").exists():
            break
        edited.append(after)
        project.edit("1_zwx dog/1.txt", MINE)
        (project.out / "1_zwx dog").rename(project.out / "3_zwx dog")
        project.run()
        assert sorted(project.files()) == [f"3_zwx dog/{n}.{e}" for n in range(3) for e in ("caption", "png")], after
        assert project.captions()["3_zwx dog/1.caption"] == MINE
    assert len(edited) > 2


def test_a_ledger_of_the_version_before_is_read(dogs: Project) -> None:
    dogs.edit("1_zwx dog/1.txt", MINE)
    dogs.run()
    database = dogs.out / ".curate/ledger.sqlite"
    with sqlite3.connect(database) as db:
        db.execute("DROP TABLE past_edits")
        db.execute("PRAGMA user_version=4")
    db.close()
    dogs.edit("1_zwx dog/1.txt", LATER)
    dogs.run()
    assert dogs.captions()["1_zwx dog/1.txt"] == LATER
