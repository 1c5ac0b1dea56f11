"""What a person wrote is kept: seen, reported, and carried along wherever its picture goes."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from curate.core.store import Store
from tests.folder.helpers import Project, killed

MINE = "zwx dog, written by me"
PLAIN = "zwx dog, grass, sky"


def test_a_run_prepares_folders_as_trainers_read_them(dogs: Project) -> None:
    assert sorted(dogs.files()) == [f"1_zwx dog/{n}.{e}" for n in range(3) for e in ("png", "txt")]
    assert set(dogs.captions().values()) == {PLAIN}


def test_an_edit_survives_reruns_and_is_reported(dogs: Project) -> None:
    dogs.edit("1_zwx dog/1.txt", MINE)
    for _ in range(3):
        assert dogs.run().figures["edited"]
        assert dogs.captions()["1_zwx dog/1.txt"] == MINE
    assert dogs.captions()["1_zwx dog/0.txt"] == PLAIN


def test_an_edit_follows_a_changed_number_of_repeats(dogs: Project) -> None:
    dogs.edit("1_zwx dog/1.txt", MINE)
    dogs.concepts["dog"]["repeats"] = 4
    dogs.run()
    assert dogs.captions() == {"4_zwx dog/0.txt": PLAIN, "4_zwx dog/1.txt": MINE, "4_zwx dog/2.txt": PLAIN}


def test_an_edit_follows_a_changed_trigger_which_is_reported_not_inserted(dogs: Project) -> None:
    dogs.edit("1_zwx dog/1.txt", MINE)
    dogs.concepts["dog"]["trigger"] = ["qqq hound"]
    dogs.run()
    new = "qqq hound, grass, sky"
    assert dogs.captions() == {"1_qqq hound/0.txt": new, "1_qqq hound/1.txt": MINE, "1_qqq hound/2.txt": new}
    assert any('does not contain the trigger "qqq hound"' in note for note in dogs.notes())


def test_an_edit_follows_a_renamed_source(dogs: Project) -> None:
    dogs.edit("1_zwx dog/1.txt", MINE)
    for suffix in (".png", ".txt"):
        (dogs.place / f"in/dog/1{suffix}").rename(dogs.place / f"in/dog/renamed{suffix}")
    dogs.run()
    assert dogs.captions() == {"1_zwx dog/0.txt": PLAIN, "1_zwx dog/2.txt": PLAIN, "1_zwx dog/renamed.txt": MINE}
    assert [key for _, key in dogs.edits()] == ["dog/renamed.png"]
    (dogs.out / "1_zwx dog/renamed.txt").unlink()
    dogs.run()
    assert dogs.captions()["1_zwx dog/renamed.txt"] == PLAIN


def test_an_edit_follows_a_folder_renamed_by_hand(dogs: Project) -> None:
    dogs.edit("1_zwx dog/1.txt", MINE)
    dogs.run()
    (dogs.out / "1_zwx dog").rename(dogs.out / "7_my dog")
    dogs.run()
    assert dogs.captions() == {"1_zwx dog/0.txt": PLAIN, "1_zwx dog/1.txt": MINE, "1_zwx dog/2.txt": PLAIN}
    assert not (dogs.out / "7_my dog").exists()
    assert any("moved by hand" in note for note in dogs.notes())


def test_an_edit_in_a_folder_renamed_by_hand_is_seen(dogs: Project) -> None:
    (dogs.out / "1_zwx dog").rename(dogs.out / "7_my dog")
    dogs.edit("7_my dog/1.txt", MINE)
    dogs.run()
    assert dogs.captions()["1_zwx dog/1.txt"] == MINE


def test_a_picture_moved_without_its_caption_keeps_the_edit(dogs: Project) -> None:
    dogs.edit("1_zwx dog/1.txt", MINE)
    (dogs.out / "1_zwx dog/1.png").rename(dogs.out / "1_zwx dog/better name.png")
    dogs.run()
    assert dogs.captions() == {"1_zwx dog/0.txt": PLAIN, "1_zwx dog/1.txt": MINE, "1_zwx dog/2.txt": PLAIN}


def test_a_deleted_caption_is_generated_again(dogs: Project) -> None:
    dogs.edit("1_zwx dog/1.txt", MINE)
    dogs.run()
    (dogs.out / "1_zwx dog/1.txt").unlink()
    dogs.run()
    assert dogs.captions()["1_zwx dog/1.txt"] == PLAIN
    assert dogs.edits() == {}


def test_an_edit_taken_back_is_no_edit(dogs: Project) -> None:
    dogs.edit("1_zwx dog/1.txt", MINE)
    dogs.run()
    dogs.edit("1_zwx dog/1.txt", PLAIN)
    assert dogs.run().figures["edited"] in (0, [])
    assert dogs.edits() == {}


def test_an_emptied_caption_stays_empty(dogs: Project) -> None:
    dogs.edit("1_zwx dog/1.txt", "")
    dogs.run()
    dogs.concepts["dog"]["repeats"] = 2
    dogs.run()
    dogs.run()
    assert dogs.captions()["2_zwx dog/1.txt"] == ""


@pytest.mark.parametrize("text", [PLAIN + "\n", PLAIN + "\r\n", "\ufeff" + PLAIN, "\ufeff" + PLAIN + "\r\n\r\n"])
def test_what_an_editor_adds_is_no_edit(dogs: Project, text: str) -> None:
    dogs.edit("1_zwx dog/1.txt", text)
    assert dogs.run().figures["edited"] in (0, [])
    assert dogs.edits() == {}
    assert (dogs.out / "1_zwx dog/1.txt").read_bytes() == text.encode()


@pytest.mark.parametrize("encoding", ["utf-8", "cp1252", "utf-16"])
def test_an_edit_may_be_in_any_encoding(dogs: Project, encoding: str) -> None:
    text = "zwx dog, café"
    (dogs.out / "1_zwx dog/1.txt").write_bytes(text.encode(encoding))
    dogs.run()
    assert list(dogs.edits().values()) in ([text], ["\ufeff" + text])
    assert (dogs.out / "1_zwx dog/1.txt").read_bytes() == text.encode(encoding)
    dogs.concepts["dog"]["repeats"] = 2
    dogs.run()
    assert dogs.captions()["2_zwx dog/1.txt"].removeprefix("\ufeff") == text


def test_two_equal_pictures_keep_separate_edits(project: Project) -> None:
    project.concepts = {"dog": {"trigger": ["zwx dog"]}}
    for name in ("a", "b", "c"):
        project.picture(f"dog/{name}.png", 5)
    project.run()
    project.edit("1_zwx dog/a.txt", "mine a")
    project.edit("1_zwx dog/b.txt", "mine b")
    project.run()
    project.concepts["dog"]["repeats"] = 3
    project.run()
    expected = {"3_zwx dog/a.txt": "mine a", "3_zwx dog/b.txt": "mine b", "3_zwx dog/c.txt": PLAIN}
    assert project.captions() == expected
    (project.out / "3_zwx dog").rename(project.out / "elsewhere")
    project.run()
    assert project.captions() == expected


def test_an_edit_made_while_the_run_works_is_kept(dogs: Project) -> None:
    """Between looking for edits and writing lie hours of tagging."""
    dogs.stages = ["convert", "trigger", {"tests.folder.slow": {"edits": str(dogs.out / "1_zwx dog/1.txt")}}, "export"]
    dogs.concepts["dog"]["trigger"] = ["qqq hound"]
    dogs.run()
    assert dogs.captions()["1_qqq hound/1.txt"] == "edited meanwhile"
    dogs.run()
    assert dogs.captions()["1_qqq hound/1.txt"] == "edited meanwhile"
    assert list(dogs.edits().values()) == ["edited meanwhile"]


def test_an_edit_outlives_its_pictures_absence(dogs: Project) -> None:
    dogs.edit("1_zwx dog/1.txt", MINE)
    shutil.move(dogs.place / "in/dog/1.png", dogs.place / "1.png")
    dogs.run()
    assert "1_zwx dog/1.txt" not in dogs.captions()
    shutil.move(dogs.place / "1.png", dogs.place / "in/dog/1.png")
    dogs.run()
    assert dogs.captions()["1_zwx dog/1.txt"] == MINE


def test_an_edit_follows_a_changed_extension(dogs: Project) -> None:
    dogs.edit("1_zwx dog/1.txt", MINE)
    dogs.stages = ["convert", {"captions": {"extension": ".caption"}}, "trigger", "export"]
    dogs.run()
    assert dogs.captions() == {f"1_zwx dog/{n}.caption": MINE if n == 1 else PLAIN for n in range(3)}


def test_a_caption_written_where_none_was_generated_is_kept(project: Project) -> None:
    project.stages = ["convert", "export"]
    project.picture("dog/a.png", 3, caption=None)
    project.run()
    assert project.captions() == {}
    project.edit("1_dog/a.txt", "by hand")
    project.run()
    project.concepts = {"dog": {"repeats": 5}}
    project.run()
    assert project.captions() == {"5_dog/a.txt": "by hand"}


def test_a_lost_ledger_costs_no_edit(dogs: Project) -> None:
    dogs.edit("1_zwx dog/1.txt", MINE)
    shutil.rmtree(dogs.out / ".curate")
    for _ in range(2):
        dogs.run()
        assert dogs.captions() == {"1_zwx dog/0.txt": PLAIN, "1_zwx dog/1.txt": MINE, "1_zwx dog/2.txt": PLAIN}
    assert list(dogs.edits().values()) == [MINE]


def test_imported_captions_stay_as_they_were(dogs: Project) -> None:
    assert {p.read_text() for p in (dogs.place / "in").rglob("*.txt")} == {"grass, sky"}


def test_edits_are_known_by_picture(dogs: Project, tmp_path: Path) -> None:
    dogs.edit("1_zwx dog/1.txt", MINE)
    dogs.run()
    with Store(dogs.out) as store:
        row = store.written()["1_zwx dog/1.png"]
    assert dogs.edits() == {(row.origin, "dog/1.png"): MINE}


def _noise(path: Path, seed: int, size: int = 64) -> Path:
    """Soft shapes, other ones for each seed."""
    rough = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(rough).resize((size, size), Image.Resampling.BICUBIC).save(path)
    return path


@pytest.fixture
def shapes(project: Project) -> Project:
    """Three pictures that can be told apart by their looks; the caption of one is edited."""
    for n in range(3):
        _noise(project.place / f"in/dog/{n}.png", n)
    project.run()
    project.edit("1_dog/1.txt", MINE)
    return project


def _saved_again(project: Project, name: str, quality: int = 60, box: tuple[int, int, int, int] | None = None) -> None:
    old = project.place / "in/dog/1.png"
    with Image.open(old) as image:
        saved = image.crop(box) if box else image
        saved.save(project.place / "in/dog" / name, quality=quality)
    if name != "1.png":
        old.unlink()


@pytest.mark.parametrize("name", ["1.png", "1.jpg", "1.webp", "other.png", "other.jpg"])
@pytest.mark.parametrize("box", [None, (6, 4, 62, 60)])
def test_an_edit_follows_a_source_that_is_saved_again(
    shapes: Project, name: str, box: tuple[int, int, int, int] | None
) -> None:
    _saved_again(shapes, name, box=box)
    for _ in range(2):
        shapes.run()
        stem = name.partition(".")[0]
        assert shapes.captions() == {"1_dog/0.txt": "dog", f"1_dog/{stem}.txt": MINE, "1_dog/2.txt": "dog"}


def test_the_summary_says_which_source_was_saved_again(shapes: Project) -> None:
    _saved_again(shapes, "1.jpg")
    shapes.run()
    assert "its source took the place of dog/1.png: your edited caption is kept" in shapes.notes()


def test_an_edit_goes_to_no_picture_that_was_there_before(shapes: Project) -> None:
    _noise(shapes.place / "in/dog/1.bmp", 7)
    shapes.run()
    edited = next(n for n, t in shapes.captions().items() if t == MINE)
    (shapes.place / "in/dog/1.png").unlink()
    shapes.run()
    assert MINE not in {t for n, t in shapes.captions().items() if n.startswith("1_")}
    assert edited
    assert shapes.captions()["unplaced captions/dog/1.png.txt"] == MINE


def test_an_edit_whose_picture_is_gone_is_kept_where_a_person_finds_it(shapes: Project) -> None:
    data = (shapes.place / "in/dog/1.png").read_bytes()
    (shapes.place / "in/dog/1.png").unlink()
    for _ in range(2):
        figures = shapes.run().figures
        assert shapes.captions()["unplaced captions/dog/1.png.txt"] == MINE
        gone = [n["pictures"] for n in figures["notes"] if "of an edited caption is gone" in n["message"]]
        assert gone == [["dog/1.png"]]
    (shapes.out / "unplaced captions/dog/1.png.txt").write_text("better", encoding="utf-8")
    (shapes.place / "in/dog/1.png").write_bytes(data)
    shapes.run()
    assert shapes.captions()["1_dog/1.txt"] == "better"
    assert not (shapes.out / "unplaced captions").exists()


def test_an_unplaced_caption_that_is_removed_is_given_up(shapes: Project) -> None:
    data = (shapes.place / "in/dog/1.png").read_bytes()
    (shapes.place / "in/dog/1.png").unlink()
    shapes.run()
    (shapes.out / "unplaced captions/dog/1.png.txt").unlink()
    (shapes.place / "in/dog/1.png").write_bytes(data)
    shapes.run()
    assert shapes.captions()["1_dog/1.txt"] == "dog"


def test_each_frame_keeps_its_own_edit(project: Project) -> None:
    frames = [Image.new("RGB", (8, 8), (shade, 0, 0)) for shade in (0, 120, 250)]
    path = project.place / "in/dog/a.gif"
    path.parent.mkdir(parents=True)
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=100)
    project.stages = [{"convert": {"frames": "all"}}, "trigger", "export"]
    project.run()
    second = sorted(project.captions())[1]
    project.edit(second, MINE)
    for _ in range(2):
        project.run()
        assert [t for n, t in sorted(project.captions().items())] == ["dog", MINE, "dog"]


@pytest.mark.parametrize(
    "data", [b"\xef\xbb\xbfmine\r\nmore", b"\xef\xbb\xbf\xef\xbb\xbfmine\nmore\r\n", b"mine\rmore"]
)
def test_marks_and_line_ends_are_not_doubled(dogs: Project, data: bytes) -> None:
    (dogs.out / "1_zwx dog/1.txt").write_bytes(data)
    for repeats in (2, 3):
        dogs.concepts["dog"]["repeats"] = repeats
        dogs.run()
        assert dogs.files()[f"{repeats}_zwx dog/1.txt"].rstrip() == b"mine\nmore"


def test_a_folder_renamed_after_a_kill_leaves_no_copy(dogs: Project) -> None:
    dogs.edit("1_zwx dog/1.txt", MINE)
    dogs.concepts["dog"]["trigger"] = ["qqq"]
    for after in range(0, 24, 3):
        project = dogs.twin(f"killed{after}")
        killed(project.run, after)
        for n, place in enumerate(p for p in sorted(project.out.glob("1_*"))):
            place.rename(project.out / f"my folder {n}")
        project.run()
        assert sorted(project.files()) == [f"1_qqq/{n}.{e}" for n in range(3) for e in ("png", "txt")], after
        assert project.captions()["1_qqq/1.txt"] == MINE
