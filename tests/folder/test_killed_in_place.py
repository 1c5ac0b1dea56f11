"""An in-place command killed in the middle: a rerun gives the same result, and an edit between is not lost."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from curate import folder
from curate.core.store import Store
from curate.errors import InputError
from tests.folder.helpers import killed as dies


def killed(place: Path) -> Store:
    """A folder as a command leaves it that was killed after it replaced one caption and began another file."""
    (place / "dog").mkdir(parents=True)
    text = place / "dog/a.txt"
    text.write_text("as it came", encoding="utf-8")
    store = Store(place)
    journal = folder.Journal.begin(place, store, "trigger")
    journal.replacing(text)
    text.write_text("zwx dog, as it came", encoding="utf-8")
    (place / "dog/.curate-0123456789abcdef.png").write_bytes(b"half")
    return store


def test_a_killed_command_is_known_as_such_and_refuses_to_undo_an_edit(tmp_path: Path) -> None:
    with killed(tmp_path / "w") as store:
        assert folder.unfinished(store.root)
        (tmp_path / "w/dog/a.txt").write_text("HOURS OF WORK", encoding="utf-8")
        with pytest.raises(InputError, match=r"dog/a\.txt"):
            folder.undo(tmp_path / "w", store)
        assert (tmp_path / "w/dog/a.txt").read_text(encoding="utf-8") == "HOURS OF WORK"


def test_undoing_it_leaves_nothing_behind(tmp_path: Path) -> None:
    with killed(tmp_path / "w") as store:
        (tmp_path / "w/dog/a.txt").write_text("as it came", encoding="utf-8")
        assert folder.undo(tmp_path / "w", store)[0] == "trigger"
        assert [p.name for p in (tmp_path / "w/dog").iterdir()] == ["a.txt"]
        assert not folder.unfinished(store.root)
        assert store.written() == {}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork to die in the middle")
def test_an_undo_that_was_killed_can_be_done_again(tmp_path: Path) -> None:
    for after in range(20):
        place = tmp_path / str(after)
        (place / "dog").mkdir(parents=True)
        for n in range(4):
            (place / f"dog/{n}.txt").write_text(f"as it came {n}", encoding="utf-8")
        with Store(place) as store:
            journal = folder.Journal.begin(place, store, "trigger", moves_pictures=False)
            for n in range(4):
                file = place / f"dog/{n}.txt"
                new = f"zwx dog, as it came {n}"
                journal.rewriting(f"dog/{n}.txt", file.read_bytes(), new.encode())
                file.write_text(new, encoding="utf-8")
            journal.finish()

        def work(place: Path = place) -> None:
            with Store(place) as store:
                folder.undo(place, store)

        was_killed = dies(work, after)
        with Store(place) as store:
            if folder.has_undo(store.root):
                folder.undo(place, store)
            assert not folder.has_undo(store.root)
        texts = {p.name: p.read_text(encoding="utf-8") for p in (place / "dog").iterdir()}
        assert texts == {f"{n}.txt": f"as it came {n}" for n in range(4)}
        if not was_killed:
            assert after > 4
            return
    raise AssertionError("it was always killed")
