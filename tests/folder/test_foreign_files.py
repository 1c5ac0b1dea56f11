"""What is not ours is never overwritten; what a person did to our pictures is kept."""

from __future__ import annotations

import os
import shutil

import pytest
from PIL import Image

from curate import drive
from curate.errors import InputError
from tests.folder.helpers import Project

PLAIN = "zwx dog, grass, sky"


def test_a_foreign_picture_is_left_alone(project: Project) -> None:
    project.concepts = {"dog": {"trigger": ["zwx dog"]}}
    project.picture("dog/0.png", 1)
    project.picture("dog/1.png", 2)
    theirs = project.out / "1_zwx dog/1.png"
    theirs.parent.mkdir(parents=True)
    theirs.write_bytes(b"theirs")
    for _ in range(2):
        project.run()
        assert project.files()["1_zwx dog/1.png"] == b"theirs"
        assert "1_zwx dog/0.png" in project.files()
    assert any("not curate's" in note for note in project.notes())


def test_a_foreign_caption_is_left_alone(project: Project) -> None:
    project.concepts = {"dog": {"trigger": ["zwx dog"]}}
    project.picture("dog/0.png", 1)
    theirs = project.out / "1_zwx dog/0.txt"
    theirs.parent.mkdir(parents=True)
    theirs.write_text("theirs")
    for _ in range(2):
        project.run()
        assert project.captions() == {"1_zwx dog/0.txt": "theirs"}


def test_foreign_files_stay_where_folders_go(dogs: Project) -> None:
    (dogs.out / "1_zwx dog/notes.md").write_text("mine")
    (dogs.out / "1_zwx dog/extra.png").write_bytes(b"theirs")
    dogs.concepts["dog"]["repeats"] = 2
    dogs.run()
    left = {n: b for n, b in dogs.files().items() if n.startswith("1_")}
    assert left == {"1_zwx dog/notes.md": b"mine", "1_zwx dog/extra.png": b"theirs"}


@pytest.mark.parametrize("size", [6, 9])
def test_a_picture_changed_by_hand_is_kept_and_follows(dogs: Project, size: int) -> None:
    path = dogs.out / "1_zwx dog/1.png"
    Image.new("RGB", (size, size), (200, 0, 0)).save(path)
    mine = path.read_bytes()
    dogs.run()
    assert path.read_bytes() == mine
    assert any("1.png was changed by hand" in note for note in dogs.notes())
    dogs.concepts["dog"]["repeats"] = 2
    for _ in range(2):
        dogs.run()
        assert dogs.files()["2_zwx dog/1.png"] == mine
    dogs.concepts["dog"]["trigger"] = ["qqq"]
    dogs.run()
    assert dogs.files()["2_qqq/1.png"] == mine
    assert dogs.captions()["2_qqq/1.txt"] == "qqq, grass, sky"


def test_a_picture_changed_to_the_same_size_is_kept_for_good(project: Project) -> None:
    """Size and time may agree with what the ledger noted after an earlier run kept it."""
    project.stages = [{"convert": {"png_level": 0}}, "trigger", "export"]
    project.picture("dog/0.png", 1)
    project.run()
    path = project.out / "1_dog/0.png"
    Image.new("RGB", (6, 6), (200, 0, 0)).save(path, compress_level=0)
    data = bytearray(path.read_bytes())
    assert len(data) == path.stat().st_size
    for repeats in (2, 3, 4):
        project.concepts = {"dog": {"repeats": repeats}}
        project.run()
        assert project.files()[f"{repeats}_dog/0.png"] == bytes(data)


def test_an_untouched_file_with_another_time_is_ours(dogs: Project) -> None:
    os.utime(dogs.out / "1_zwx dog/1.png", (1, 1))
    dogs.concepts["dog"]["repeats"] = 2
    dogs.run()
    assert not any(n.startswith("1_") for n in dogs.files())


def test_a_removed_picture_stays_away_until_it_is_restored(dogs: Project) -> None:
    before = dogs.files()
    (dogs.out / "1_zwx dog/1.png").unlink()
    for _ in range(2):
        [aside] = dogs.run().figures["aside"]
        assert aside["key"] == "dog/1.png"
        assert aside["reason"].startswith("you removed it from the prepared folder")
        assert sorted(dogs.files()) == [f"1_zwx dog/{n}.{e}" for n in (0, 2) for e in ("png", "txt")]
    assert drive.restore(dogs.out, ["1.*"], dry_run=True) == ["dog/1.png"]
    assert drive.restore(dogs.out, ["1"]) == ["dog/1.png"]
    dogs.run()
    assert dogs.files() == before
    with pytest.raises(InputError, match=r'no picture called "1.png"'):
        drive.restore(dogs.out, ["1.png"])


def test_the_pipeline_restores_a_removed_picture(dogs: Project) -> None:
    before = dogs.files()
    (dogs.out / "1_zwx dog/1.png").unlink()
    (dogs.out / "1_zwx dog/1.txt").unlink()
    dogs.restore = ["dog/1"]
    assert dogs.run().figures["aside"] == []
    assert dogs.files() == before


def test_a_picture_put_back_by_hand_is_wanted_again(dogs: Project) -> None:
    before = dogs.files()
    path = dogs.out / "1_zwx dog/1.png"
    path.unlink()
    dogs.run()
    path.write_bytes(before["1_zwx dog/1.png"])
    assert dogs.run().figures["aside"] == []
    assert dogs.files() == before


def test_a_removal_outlives_a_source_that_is_saved_again(dogs: Project) -> None:
    (dogs.out / "1_zwx dog/1.png").unlink()
    dogs.run()
    dogs.picture("dog/1.png", 99)
    assert [a["key"] for a in dogs.run().figures["aside"]] == ["dog/1.png"]


def test_all_pictures_removed_are_made_anew(dogs: Project) -> None:
    before = dogs.files()
    shutil.rmtree(dogs.out / "1_zwx dog")
    assert dogs.run().figures["aside"] == []
    assert dogs.files() == before


def test_a_caption_that_was_removed_comes_back_and_the_summary_says_so(dogs: Project) -> None:
    (dogs.out / "1_zwx dog/1.txt").unlink()
    dogs.run()
    assert dogs.captions()["1_zwx dog/1.txt"] == PLAIN
    assert any("caption was removed" in note for note in dogs.notes())


def test_strays_are_named(dogs: Project) -> None:
    Image.new("RGB", (6, 6), (1, 2, 3)).save(dogs.out / "1_zwx dog/extra.png")
    for _ in range(2):
        notes = dogs.run().figures["notes"]
        assert any("but training uses it" in n["message"] and n["pictures"] == ["1_zwx dog/extra.png"] for n in notes)


def test_pictures_that_came_and_left_are_named(dogs: Project) -> None:
    dogs.picture("dog/new.png", 40)
    (dogs.place / "in/dog/0.png").unlink()
    (dogs.place / "in/dog/2.png").rename(dogs.place / "in/dog/two.png")
    figures = dogs.run().figures
    assert (figures["added"], figures["removed"]) == (["dog/new.png"], ["dog/0.png"])
    figures = dogs.run().figures
    assert (figures["added"], figures["removed"]) == ([], [])


def test_excluded_pictures_are_left_out(dogs: Project) -> None:
    dogs.exclude = ["dog/1.png", "2*", "wrong.png"]
    figures = dogs.run().figures
    assert [a["reason"] for a in figures["aside"]] == [
        "excluded in the pipeline (dog/1.png)",
        "excluded in the pipeline (2*)",
    ]
    assert [n for n in dogs.files() if n.endswith(".png")] == ["1_zwx dog/0.png"]
    assert any('"wrong.png"' in note for note in dogs.notes())
    dogs.exclude = []
    dogs.run()
    assert len(dogs.files()) == 6


def test_a_renamed_folders_number_is_kept_as_repeats(dogs: Project) -> None:
    (dogs.out / "1_zwx dog").rename(dogs.out / "5_zwx dog")
    dogs.stages = ["convert", "trigger", "balance", "export"]
    for _ in range(2):
        dogs.run()
        assert {n.partition("/")[0] for n in dogs.files()} == {"5_zwx dog"}
        assert any("5 repeats, since you renamed its folder" in note for note in dogs.notes())
    (dogs.out / "5_zwx dog").rename(dogs.out / "1_zwx dog")
    dogs.run()
    assert {n.partition("/")[0] for n in dogs.files()} == {"1_zwx dog"}
    assert not any("since you renamed" in note for note in dogs.notes())


def test_the_pipelines_repeats_count_more_than_a_renamed_folder(dogs: Project) -> None:
    (dogs.out / "1_zwx dog").rename(dogs.out / "5_zwx dog")
    dogs.concepts["dog"]["repeats"] = 2
    dogs.run()
    assert {n.partition("/")[0] for n in dogs.files()} == {"2_zwx dog"}
    assert any("the pipeline sets 2" in note for note in dogs.notes())


def test_a_picture_taken_from_the_input_leaves_the_folder(dogs: Project) -> None:
    (dogs.place / "in/dog/1.png").unlink()
    dogs.run()
    assert sorted(dogs.files()) == [f"1_zwx dog/{n}.{e}" for n in (0, 2) for e in ("png", "txt")]


def test_equal_stems_do_not_collide(project: Project) -> None:
    project.picture("dog/a.png", 1, caption=None)
    project.picture("dog/a.bmp", 2, caption=None)
    project.picture("dog/A.gif", 3, caption=None)
    project.picture("dog/sub/a.png", 4, caption=None)
    project.run()
    names = sorted(project.files())
    pictures = [n for n in names if n.endswith(".png")]
    assert len(pictures) == 4
    assert len({n.rsplit(".", 1)[0].casefold() for n in pictures}) == 4
    before = project.files()
    project.run()
    assert project.files() == before


def test_a_collision_that_ends_moves_each_edit_with_its_picture(project: Project) -> None:
    project.picture("dog/a.png", 1, caption="one, first")
    project.picture("dog/a.bmp", 2, caption=None)
    (project.place / "in/dog/a.bmp.txt").write_text("two")
    project.run()
    before = project.captions()
    assert len(before) == 2
    project.edit("1_dog/a-png.txt", "my edit of the png")
    project.run()
    (project.place / "in/dog/a.bmp").unlink()
    project.run()
    assert project.captions() == {"1_dog/a.txt": "my edit of the png"}


@pytest.mark.parametrize(
    "name", ["ü.png", "u\u0308.png", "日本.png", "a b, c.png", "-dash.png", "con.png", "x#1.png", "a#b/c.png"]
)
def test_any_name_arrives(project: Project, name: str) -> None:
    project.picture(f"dog/{name}", 9)
    project.run()
    assert len(project.files()) == 2
    [picture] = [n for n in project.files() if n.endswith(".png")]
    assert not picture.rsplit("/", 1)[1].startswith("-")
    before = project.files()
    project.run()
    assert project.files() == before


@pytest.mark.skipif(os.name == "nt" or os.uname().sysname == "Darwin", reason="file names are Unicode here")
def test_a_name_that_is_no_unicode_arrives(project: Project) -> None:
    from pathlib import Path

    path = project.picture("dog/x.png", 9, caption=None)
    folder = Path(os.fsdecode(os.fsencode(project.place / "in") + b"/caf\xe9"))
    folder.mkdir()
    path.rename(folder / os.fsdecode(b"\xe9t\xe9.png"))
    project.run()
    assert sorted(project.files()) == ["1_café/été.png", "1_café/été.txt"]
    assert project.captions() == {"1_café/été.txt": "café"}


def test_captions_that_are_no_text_stop_nothing(project: Project) -> None:
    project.picture("dog/a.png", 1)
    project.picture("dog/b.png", 2)
    (project.place / "in/dog/a.txt").write_bytes(b"\0\1\2binary")
    project.run()
    assert project.captions() == {"1_dog/a.txt": "dog", "1_dog/b.txt": "dog, grass, sky"}
    assert any("a.txt" in note and "not used" in note for note in project.notes())


def test_further_files_are_written_and_kept_where_a_person_changed_them(dogs: Project) -> None:
    dogs.stages = ["convert", "trigger", {"export": {"also": ["dataset.toml", "metadata.jsonl"]}}]
    dogs.run()
    assert f'image_dir = "{(dogs.out / "1_zwx dog").as_posix()}"' in dogs.files()["dataset.toml"].decode()
    (dogs.out / "dataset.toml").write_text("# mine\n")
    dogs.concepts["dog"]["repeats"] = 2
    dogs.run()
    assert dogs.files()["dataset.toml"] == b"# mine\n"
    assert any("dataset.toml" in note for note in dogs.notes())
    assert b'"2_zwx dog/0.png"' in dogs.files()["metadata.jsonl"]
    dogs.stages = ["convert", "trigger", "export"]
    dogs.run()
    assert "metadata.jsonl" not in dogs.files()
    assert dogs.files()["dataset.toml"] == b"# mine\n"


def test_pictures_that_datasets_would_leave_out_are_told_of(dogs: Project) -> None:
    (dogs.place / "in/dog/0.png").rename(dogs.place / "in/dog/0_test_b.png")
    dogs.stages = ["convert", "trigger", {"export": {"also": ["metadata.jsonl"]}}]
    for _ in range(2):
        dogs.run()
        [note] = [note for note in dogs.notes() if "for a split" in note]
        assert "only 1 picture (1_zwx dog/0_test_b.png)" in note
    dogs.stages = ["convert", "trigger", "export"]
    dogs.run()
    assert not any("for a split" in note for note in dogs.notes())
