"""Bulk edits: the index takes up what was written without reading it, and sees what others write meanwhile.

Of a large folder, what is packed is edited and undone as what is not.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from curate.captioned import Captioned
from curate.core.old_files import OldFiles
from curate.review import entries, folder_reader, known_rows
from curate.review.changes import Changes
from curate.review.edits import EditRequest
from curate.review.index import Index
from tests.folder.helpers import Project

A, B, CAT = "1_zwx dog/0.png", "1_zwx dog/1.png", "1_cat/ä b.png"
A_TXT, B_TXT = "1_zwx dog/0.txt", "1_zwx dog/1.txt"

FORMS = {
    "tags": ("my dog, red hat", "my dog, blue hat (large), 1girl"),
    "escaped": ("my dog,hat_\\(red\\)", "my dog,a_hat"),
    "spaces": ("my_dog red_hat looking_up", "my_dog blue_hat 1girl"),
    "lines": ("my dog\nred hat\nsolo", "my dog\nblue hat\nsitting"),
    "semicolons": ("my dog; red hat; solo", "my dog; blue hat; sitting"),
    "marks": ("my dog ||| grass, sky ||| good", "my dog ||| sky, A dog sits on the grass in the sun."),
    "wide": ("my dog，red hat、solo", "my dog，blue hat"),
    "sentences": ("A dog with a red hat sits on the grass.", "A dog with a blue hat looks up at the sky."),
    "blank": ("", " "),
}
OPERATIONS = ({"operation": "add", "tags": ["moon"]}, {"operation": "remove", "tags": ["solo", "red_hat", "sky"]},
              {"operation": "text", "text": "The dog sits on the mat, and it is asleep."})  # fmt: skip


class Meanwhile(OldFiles):
    """Calls `other`, another program, before each file is replaced, with the files that were replaced by then."""

    def __init__(self, root: Path, other: Callable[[list[Path]], None]) -> None:
        super().__init__(root)
        self._other, self._done = other, list[Path]()

    def keep(self, path: str) -> None:
        self._other(self._done)
        self._done.append(Path(path))


def opened(folder: Path, other: Callable[[list[Path]], None] = lambda _: None) -> tuple[Index, Changes]:
    index = Index(folder)
    index.refresh()
    return index, Changes(index, lambda entry: {"id": entry.id}, Meanwhile(folder / ".curate", other))


def edit(changes: Changes, *ids: str, **values: object) -> dict[str, Any]:
    return changes.edit(EditRequest.model_validate({"ids": ids, "operation": "add", "tags": ["moon"], **values}))


def seen(index: Index) -> dict[str, tuple[Captioned | None, str]]:
    """What the page knows of each picture, tags in words."""
    names = index.table.names
    rows = {one.id: json.loads(index.row(one)) for one in index.entries.values()}
    return {one.id: (one.caption, ",".join(names[n] for n in rows[one.id]["tags"])) for one in index.entries.values()}


@pytest.mark.parametrize("values", OPERATIONS)
def test_captions_of_ours_are_taken_up_as_a_new_server_reads_them(dogs: Project, values: dict[str, object]) -> None:
    index, changes = opened(dogs.out)
    assert edit(changes, *index.entries, **values)["changes"]
    assert seen(index) == seen(opened(dogs.out)[0])
    assert edit(changes, A, operation="text", text="")["changes"]
    assert seen(index) == seen(opened(dogs.out)[0])


@pytest.mark.parametrize("form", FORMS)
def test_captions_of_another_program_are_taken_up_as_they_are_read(tmp_path: Path, dogs: Project, form: str) -> None:
    place = tmp_path / "theirs/10_my dog"
    place.mkdir(parents=True)
    for name, text in zip("ab", FORMS[form], strict=True):
        (place / f"{name}.png").write_bytes((dogs.out / A).read_bytes())
        (place / f"{name}.txt").write_text(text, encoding="utf-8")
    (place / "c.png").write_bytes((dogs.out / A).read_bytes())
    index, changes = opened(place.parent)
    for values in OPERATIONS:
        edit(changes, *index.entries, **values)
        taken = seen(index)
        for file in place.glob("*.txt"):
            file.touch()  # all are read again
        index.refresh()
        assert seen(index) == taken


def test_what_is_written_after_an_edit_is_seen_though_it_is_as_long(dogs: Project) -> None:
    def other(done: list[Path]) -> None:
        for file in done[:1]:
            file.write_text(file.read_text(encoding="utf-8").replace("moon", "star"), encoding="utf-8")

    index, changes = opened(dogs.out, other)
    edit(changes, A, B)
    assert dogs.captions()[A_TXT] == "zwx dog, grass, sky, star"
    index.refresh()
    assert [seen(index)[id][1] for id in (A, B)] == ["zwx dog,grass,sky,star", "zwx dog,grass,sky,moon"]
    edit(changes, A, B, tags=["sun"])
    assert dogs.captions()[A_TXT] == "zwx dog, grass, sky, star, sun"


def test_what_is_written_during_an_edit_is_kept_and_told(dogs: Project) -> None:
    index, changes = opened(dogs.out, lambda _: dogs.edit(B_TXT, "typed elsewhere"))
    done = edit(changes, A, B)
    assert done["skipped"] == [{"id": B, "reason": "changed on disk meanwhile"}]
    assert dogs.captions()[B_TXT] == "typed elsewhere"
    assert [seen(index)[id][1] for id in (A, B)] == ["zwx dog,grass,sky,moon", "typed_elsewhere"]


def test_what_is_written_between_preview_and_edit_is_edited(dogs: Project) -> None:
    index, changes = opened(dogs.out)
    edit(changes, A, CAT, preview=True)
    dogs.edit(A_TXT, "zwx dog, typed elsewhere")
    edit(changes, A, CAT)
    assert dogs.captions()[A_TXT] == "zwx dog, typed elsewhere, moon"
    assert seen(index)[A][1] == "zwx dog,typed_elsewhere,moon"


def test_files_that_come_and_go_during_an_edit_are_seen(dogs: Project) -> None:
    def other(done: list[Path]) -> None:
        for file in done:
            file.unlink()

    index, changes = opened(dogs.out, other)
    edit(changes, A, B)
    (dogs.out / "1_zwx dog/new.png").write_bytes((dogs.out / A).read_bytes())
    index.refresh()
    assert "1_zwx dog/new.png" in index.entries
    assert seen(index)[A][1] == "" and seen(index)[B][1].endswith("moon")


_PICTURES = 200
"""Some as they are, two blocks that are packed, and a part of a third."""


@pytest.fixture
def large(tmp_path: Path, dogs: Project) -> Path:
    """A folder of another program with captions, one in five of which is missing."""
    place = tmp_path / "large/10_dog"
    place.mkdir(parents=True)
    picture = next(dogs.out.glob("1_zwx dog/*.png")).read_bytes()
    for n in range(_PICTURES):
        (place / f"{n:03}.png").write_bytes(picture)
        if n % 5:
            (place / f"{n:03}.txt").write_text(f"my dog, hat {n}, sky")
    return place.parent


def test_packed_pictures_are_edited_and_undone_as_others(large: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = seen(opened(large)[0])
    for module in (entries, folder_reader, known_rows):
        monkeypatch.setattr(module, "PLAIN", 64)
    index, changes = opened(large)
    assert seen(index) == plain

    some = sorted(plain)[::3]
    assert len(edit(changes, *some)["changes"]) == len(some)
    assert {id for id, (_, tags) in seen(index).items() if tags.endswith("moon")} == {*some}
    changes.undo()
    index.refresh()
    assert seen(index) == plain == seen(opened(large)[0])

    (large / some[-1]).unlink()
    (large / "10_dog/151.txt").write_text("typed elsewhere")
    edit(changes, *some[:-1])
    index.refresh()
    monkeypatch.undo()
    assert seen(index) == seen(opened(large)[0])
    assert some[-1] not in index.entries and seen(index)["10_dog/151.png"][1] == "typed_elsewhere"
