"""In-place commands: what they replace can be taken back, byte for byte; pictures that swap names stay themselves."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from curate import drive
from curate.errors import InputError
from curate.stages.balance import Balance
from curate.stages.convert import Convert
from curate.stages.resize import Resize
from curate.stages.trigger import Trigger
from tests.folder.helpers import Project, command


def _content(folder: Path) -> dict[str, bytes]:
    found = {p.relative_to(folder).as_posix(): p for p in folder.rglob("*") if p.is_file()}
    return {n: p.read_bytes() for n, p in found.items() if not n.startswith(".curate")}


def test_undo_gives_back_every_byte(dogs: Project) -> None:
    dogs.edit("1_zwx dog/2.txt", "mine")
    dogs.run()
    before = dogs.files()
    command(Trigger(words=("qqq",)), dogs.out)
    assert dogs.captions()["1_zwx dog/0.txt"] == "qqq, grass, sky"
    assert dogs.captions()["1_zwx dog/2.txt"] == "mine"
    drive.undo(dogs.out)
    assert dogs.files() == before
    with pytest.raises(InputError, match="nothing to undo"):
        drive.undo(dogs.out)


def test_undo_of_pictures_and_renames(project: Project) -> None:
    for name, shade in (("1_dog/a.bmp", 1), ("1_dog/b.png", 2), ("cat/c.png", 3)):
        project.picture(name, shade, size=8)
    folder = project.place / "in"
    states = [_content(folder)]
    command(Convert(), folder, in_place=True)
    states.append(_content(folder))
    assert "1_dog/a.png" in states[1] and "1_dog/a.bmp" not in states[1]
    command(Resize(max_side=4), folder, in_place=True)
    states.append(_content(folder))
    command(Balance(base=2), folder)
    assert any(n.startswith("2_dog/") for n in _content(folder))
    for state in reversed(states):
        drive.undo(folder)
        assert _content(folder) == state


def test_undo_refuses_what_was_changed_since(dogs: Project) -> None:
    command(Trigger(words=("qqq",)), dogs.out)
    dogs.edit("1_zwx dog/0.txt", "written since")
    now = dogs.files()
    with pytest.raises(InputError, match=r"changed since .*1_zwx dog/0\.txt"):
        drive.undo(dogs.out)
    assert dogs.files() == now


def test_pictures_that_change_places_in_a_folder_stay_themselves(project: Project) -> None:
    """`1_dog` and `2_dog` are one concept: balancing brings them to one folder, where their names meet."""
    for shade, name in enumerate(["1_dog/a.png", "2_dog/a.png", "2_dog/b.png", "1_dog/b.png"]):
        project.picture(name, 40 + shade, caption=f"shade {shade}")
    folder = project.place / "in"
    before = _content(folder)
    pictures = sorted(b for n, b in before.items() if n.endswith(".png"))
    command(Balance(base=2), folder, in_place=True)
    after = _content(folder)
    assert sorted(b for n, b in after.items() if n.endswith(".png")) == pictures
    assert {n.split("/")[0] for n in after if n.endswith(".png")} == {"2_dog"}
    for name, data in before.items():
        if name.endswith(".png"):
            [new] = [n for n, b in after.items() if b == data]
            said = before[name.replace(".png", ".txt")].decode().replace("shade ", "")
            assert said in after[new.replace(".png", ".txt")].decode()
    assert sorted(p.name for p in folder.iterdir()) == [".curate", "2_dog"]
    drive.undo(folder)
    assert _content(folder) == before


def test_the_journal_grows_by_lines(dogs: Project) -> None:
    command(Trigger(words=("qqq",)), dogs.out)
    place = dogs.out / ".curate/undo/0001"
    steps = [json.loads(line) for line in (place / "steps.jsonl").read_text().splitlines()]
    assert steps == [["replaced", f"1_zwx dog/{n}.txt"] for n in range(3)]
