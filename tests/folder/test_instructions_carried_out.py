"""Crops, turns, mirrors and other concepts: what a run makes of them, and that nothing else changes."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from curate import drive
from curate.core.stage import Concept
from curate.core.transform import Transform
from curate.drive import Command
from curate.folder import instructions
from curate.pipeline import load
from curate.stages.balance import Balance
from curate.stages.dedupe import Dedupe
from curate.stages.resize import Resize
from tests.folder.helpers import Project, command, killed, photo

ALL = Transform((0.25, 0.125, 0.5, 0.75), 90, flip=True)
A = "1_zwx dog/a.png"


@pytest.fixture
def zoo(project: Project) -> Project:
    """Two dogs and a cat, prepared once; their sources are so old that the ledger trusts their times."""
    project.stages = ["convert", {"resize": {"max_side": 40}}, "trigger", "balance", "export"]
    project.concepts = {"dog": {"trigger": ["zwx dog"]}, "cat": {"trigger": ["qvk cat"]}}
    for n, name in enumerate(("dog/a.png", "dog/b.png", "cat/c.png", "cat/d.png")):
        photo(project.place / "in" / name, n)
        (project.place / "in" / name).with_suffix(".txt").write_text("grass", encoding="utf-8")
    project.run()
    return project


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB"))


@pytest.mark.parametrize(
    "stages", [["convert"], ["convert", {"resize": {"max_side": 40}}], [{"resize": {"max_side": 40}}]]
)
@pytest.mark.parametrize("transform", [Transform(rotate=90), Transform(flip=True), ALL], ids=["turn", "mirror", "all"])
def test_it_is_as_if_the_source_had_been_changed_before(
    project: Project, transform: Transform, stages: list[object]
) -> None:
    project.stages = [*stages, "trigger", "export"]
    source = photo(project.place / "in/dog/a.png", 1, 60, 44)
    with Image.open(source) as picture:
        exif = Image.Exif()
        exif[0x0112] = 6  # to be shown turned to the right
        picture.save(source, exif=exif)
    photo(project.place / "in/dog/b.png", 2)
    project.run()
    before = source.read_bytes()
    instructions.keep_transform(project.out, "1_dog/a.png", transform)
    project.run()
    assert source.read_bytes() == before
    made = project.files()

    upright = np.rot90(pixels(source), -1)
    Image.fromarray(np.ascontiguousarray(transform.apply(upright))).save(source)
    twin = Project(project.place, project.stages, name="twin")
    twin.run()
    assert np.array_equal(pixels(project.out / "1_dog/a.png"), pixels(twin.out / "1_dog/a.png"))
    assert made["1_dog/b.png"] == twin.files()["1_dog/b.png"]


def test_one_picture_is_computed_and_all_else_stays(zoo: Project) -> None:
    before = zoo.files()
    instructions.keep_transform(zoo.out, A, ALL)
    figures = zoo.run().figures
    assert figures["instructions"] == {"cropped": ["dog/a.png"], "rotated": ["dog/a.png"], "flipped": ["dog/a.png"]}
    assert [s["computed"] for s in figures["stages"] if s["stage"] == "resize"] == [1]
    after = zoo.files()
    assert {name for name in before if before[name] != after.get(name)} == {A}
    assert not zoo.run().figures["computed"] and zoo.files() == after
    drive.undo(zoo.out)
    zoo.run()
    assert zoo.files() == before


def test_a_picture_in_another_concept_has_its_words_and_repeats(zoo: Project) -> None:
    before = zoo.files()
    instructions.keep_concept(zoo.out, A, "cat")
    figures = zoo.run().figures
    assert figures["instructions"] == {"moved to another concept": ["dog/a.png"]}
    assert zoo.captions()["1_qvk cat/a.txt"] == "qvk cat, grass"
    assert sorted(n for n in zoo.files() if n.endswith(".png")) == [
        "1_qvk cat/a.png", "1_qvk cat/c.png", "1_qvk cat/d.png", "3_zwx dog/b.png",
    ]  # fmt: skip
    after = zoo.files()
    assert not zoo.run().figures["computed"] and zoo.files() == after
    drive.undo(zoo.out)
    zoo.run()
    assert zoo.files() == before


def test_an_edited_caption_goes_along(zoo: Project) -> None:
    zoo.edit("1_zwx dog/a.txt", "qvk cat, my own words")
    instructions.keep_concept(zoo.out, A, "cat")
    instructions.keep_transform(zoo.out, A, Transform(rotate=180))
    zoo.run()
    assert zoo.captions()["1_qvk cat/a.txt"] == "qvk cat, my own words"


def test_a_new_concept_is_named_by_its_words(zoo: Project) -> None:
    instructions.keep_concept(zoo.out, A, "red robe")
    zoo.run()
    assert zoo.captions()["2_red robe/a.txt"] == "red robe, grass"


def test_plan_says_so_and_writes_nothing(zoo: Project) -> None:
    from curate.pipeline import load

    instructions.keep_transform(zoo.out, A, ALL)
    before = zoo.files()
    rows = drive.plan(load(zoo.pipeline()))
    assert [(row.stage, row.compute) for row in rows if row.stage == "instructions"] == [("instructions", 1)]
    assert zoo.files() == before


def test_a_source_that_was_saved_again_keeps_what_fits_it(zoo: Project) -> None:
    instructions.keep_transform(zoo.out, A, Transform(rotate=90))
    zoo.run()
    source = zoo.place / "in/dog/a.png"
    with Image.open(source) as picture:
        picture.resize((96, 64), Image.Resampling.BICUBIC).save(source)
    zoo.run()
    assert pixels(zoo.out / A).shape[:2] == (40, 27)
    photo(source, 99, 40, 64)
    zoo.run()
    assert pixels(zoo.out / A).shape[:2] == (40, 25)
    assert any("another picture now" in note for note in zoo.notes())


def test_a_crop_that_leaves_too_little_is_named_and_the_picture_stays(zoo: Project) -> None:
    instructions.keep_transform(zoo.out, A, Transform((0, 0, 0.25, 1)))
    source = zoo.place / "in/dog/a.png"
    with Image.open(source) as picture:
        picture.resize((24, 16), Image.Resampling.BICUBIC).save(source)
    zoo.run()
    assert pixels(zoo.out / A).shape[:2] == (16, 24)
    assert any("not changed as you asked" in note for note in zoo.notes())


SMALL = Transform((0.3, 0.3, 0.35, 0.35))


@pytest.fixture
def twins(project: Project) -> Project:
    """A dog, its copy, and another dog, prepared with dedupe: the larger of the two stays."""
    project.stages = ["convert", {"resize": {"max_side": 100}}, "dedupe", "trigger", "export"]
    photo(project.place / "in/dog/a.png", 1, 120, 80)
    photo(project.place / "in/dog/copy.png", 1, 60, 40)
    photo(project.place / "in/dog/b.png", 2, 120, 80)
    project.run()
    return project


@pytest.mark.parametrize("transform", [SMALL, Transform(flip=True), Transform(rotate=90)])
def test_the_duplicates_of_a_changed_picture_stay_aside(twins: Project, transform: Transform) -> None:
    before = twins.files()
    assert sorted(n for n in before if n.endswith(".png")) == ["1_dog/a.png", "1_dog/b.png"]
    instructions.keep_transform(twins.out, "1_dog/a.png", transform)
    result = twins.run()
    assert {r.key: r.aside for r in result.manifest if r.aside} == {"dog/copy.png": "near duplicate of dog/a.png"}
    after = twins.files()
    assert {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)} == {"1_dog/a.png"}
    assert not twins.run().figures["computed"] and twins.files() == after
    twin = Project(twins.place, twins.stages, name="twin")
    twin.run()
    instructions.keep_transform(twin.out, "1_dog/b.png", transform)
    twin.run()
    assert sorted(n for n in twin.files() if n.endswith(".png")) == ["1_dog/a.png", "1_dog/b.png"]


def test_a_folder_is_searched_for_duplicates_as_it_is_now(twins: Project) -> None:
    instructions.keep_transform(twins.out, "1_dog/a.png", SMALL)
    twins.run()
    shutil.copy(twins.out / "1_dog/a.png", twins.out / "1_dog/mine.png")
    result = command(Dedupe(), twins.out, dry_run=True)
    assert {r.key: r.aside for r in result.manifest if r.aside} == {"dog/mine.png": "duplicate of dog/a.png"}


def test_they_stay_aside_where_nothing_is_known_and_where_equal_ones_alone_count(project: Project) -> None:
    project.stages = ["convert", {"dedupe": {"near": False}}, "export"]
    source = photo(project.place / "in/dog/a.png", 1)
    (project.place / "in/dog/copy.png").write_bytes(source.read_bytes())
    instructions.keep_transform(project.place / "in", "dog/a.png", SMALL)
    project.run()
    assert [n for n in project.files() if n.endswith(".png")] == ["1_dog/a.png"]
    for kept in (project.out / ".curate/objects").rglob("*-before.png"):
        kept.unlink()
    project.concepts = {"dog": {"trigger": ["zwx dog"]}}
    project.stages = ["convert", "dedupe", "trigger", "export"]
    project.run()
    assert [n for n in project.files() if n.endswith(".png")] == ["1_zwx dog/a.png"]


def test_the_duplicates_of_a_picture_in_another_concept_stay_aside(twins: Project) -> None:
    twins.stages[2] = {"dedupe": {"across": False}}
    twins.run()
    instructions.keep_concept(twins.out, "1_dog/a.png", "cat")
    twins.run()
    assert sorted(n for n in twins.files() if n.endswith(".png")) == ["1_cat/a.png", "1_dog/b.png"]


def test_parts_of_a_changed_sheet_are_no_duplicates_of_one_another(project: Project) -> None:
    project.stages = ["convert", "split", "dedupe", "export"]
    sheet = Image.new("RGB", (700, 600), "white")
    for n, left in enumerate((40, 380)):
        sheet.paste(Image.open(photo(project.place / f"view{n}.png", n, 260, 500)), (left, 50))
    photo(project.place / "in/dog/b.png", 5, 100, 100)
    sheet.save(project.place / "in/dog/sheet.png")
    project.run()
    views = [n for n in project.files() if "sheet" in n and n.endswith(".png")]
    assert len(views) == 2
    instructions.keep_transform(project.place / "in", "dog/sheet.png", Transform(flip=True))
    project.run()
    assert [n for n in project.files() if "sheet" in n and n.endswith(".png")] == views


def test_a_source_folder_of_the_users_own_says_it_to_every_pipeline(project: Project) -> None:
    for n in range(2):
        photo(project.place / f"in/dog/{n}.png", n)
    photo(project.place / "in/cat/0.png", 7)
    instructions.keep_transform(project.place / "in", "dog/0.png", Transform(rotate=90))
    instructions.keep_transform(project.place / "in/cat", "0.png", Transform(flip=True))
    project.run()
    assert np.array_equal(pixels(project.out / "1_dog/0.png"), np.rot90(pixels(project.place / "in/dog/0.png"), -1))
    assert np.array_equal(pixels(project.out / "1_cat/0.png"), pixels(project.place / "in/cat/0.png")[:, ::-1])


def test_killed_anywhere_the_next_run_ends_alike(zoo: Project) -> None:
    instructions.keep_transform(zoo.out, A, ALL)
    instructions.keep_concept(zoo.out, "1_zwx dog/b.png", "cat")
    whole = zoo.twin("whole")
    whole.run()
    for after in range(0, 60, 3):
        project = zoo.twin(f"killed{after}")
        ended = not killed(project.run, after)
        project.run()
        assert project.files() == whole.files(), after
        if ended:
            break
    assert after > 9


def test_a_picture_moved_by_hand_among_those_of_another_concept_is_moved_back_and_named(
    zoo: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    before = zoo.files()
    for suffix in (".png", ".txt"):
        (zoo.out / A).with_suffix(suffix).rename(zoo.out / f"1_qvk cat/a{suffix}")
    zoo.run()
    assert "you moved it to 1_qvk cat, but it is of dog: it is moved back" in capsys.readouterr().err
    assert zoo.files() == before


def test_a_command_knows_the_concepts_of_a_pipeline_by_their_prepared_folders(
    zoo: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    concepts = {
        "dog": Concept(trigger=("zwx dog",), weight=0.5),
        "cat": Concept(trigger=("qvk cat",)),
        "cow": Concept(),
    }
    command(Balance(tolerance=0.01), zoo.out, out=zoo.place / "again", concepts=concepts)
    assert sorted(p.name for p in (zoo.place / "again").glob("[0-9]*")) == ["1_zwx dog", "2_qvk cat"]
    assert "no folder in" in capsys.readouterr().err


def test_what_was_carried_out_is_told_once(zoo: Project, capfd: pytest.CaptureFixture[str]) -> None:
    def told(work: Callable[[], object]) -> list[str]:
        capfd.readouterr()
        work()
        return [line.strip() for line in capfd.readouterr().err.splitlines() if "as you asked" in line]

    def run() -> object:
        return drive.run(load(zoo.pipeline()))

    instructions.keep_transform(zoo.out, A, Transform((0.25, 0.125, 0.5, 0.75)))
    instructions.keep_concept(zoo.out, "1_zwx dog/b.png", "cat")
    assert told(run) == [
        "reviewed      1 picture cropped as you asked: dog/a.png",
        "reviewed      1 picture moved to another concept as you asked: dog/b.png",
    ]
    assert told(run) == []
    assert told(lambda: drive.command(Command(stage=Balance(base=3), source=zoo.out))) == []
    page, _ = drive.report(zoo.out, zoo.place / "page.html")
    assert "1 picture cropped as you asked" in page.read_text(encoding="utf-8")
    drive.undo(zoo.out)
    instructions.keep_transform(zoo.out, next(n for n in zoo.files() if n.endswith("dog/a.png")), ALL)
    assert [line.split()[3:5] for line in told(run)] == [["rotated", "as"], ["flipped", "as"]]


def test_a_command_tells_of_what_it_carries_out(project: Project, capfd: pytest.CaptureFixture[str]) -> None:
    photo(project.place / "in/dog/0.png", 1)
    instructions.keep_transform(project.place / "in", "dog/0.png", Transform(rotate=90))
    said: list[str] = []
    for _ in range(2):
        drive.command(Command(stage=Resize(max_side=40), source=project.place / "in", out=project.out))
        said.append(capfd.readouterr().err)
    assert "1 picture rotated as you asked: dog/0.png" in said[0] and "as you asked" not in said[1]
