"""A plan writes nothing, neither to the prepared folder nor to its ledger, and plans what a run would do."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from curate import drive
from curate.core.events import Event, Note
from curate.core.lock import check_unlocked, run_lock
from curate.errors import LockedError
from curate.images import masks
from curate.pipeline import load
from tests.folder.helpers import Project, killed


def _tree(place: Path) -> dict[str, tuple[int, bytes]]:
    """Every file and folder with its time of change and its bytes, the ledger's too."""
    return {
        path.relative_to(place).as_posix(): (path.stat().st_mtime_ns, path.read_bytes() if path.is_file() else b"")
        for path in sorted(place.rglob("*"))
    }


def _plan(project: Project) -> tuple[dict[str, int], list[str]]:
    """What would be computed, by stage, and the warnings; the whole place stays as it is."""
    file = project.pipeline()
    before, notes = _tree(project.place), []

    def tell(event: Event) -> None:
        if isinstance(event, Note):
            notes.append(event.message)

    rows = drive.plan(load(file), tell)
    assert _tree(project.place) == before
    return {row.stage: row.compute + row.unknown for row in rows}, notes


def _nothing(project: Project) -> None:
    pass


def _edited(project: Project) -> None:
    project.edit("1_zwx dog/1.txt", "zwx dog, mine")


def _renamed(project: Project) -> None:
    (project.out / "1_zwx dog").rename(project.out / "5_zwx dog")


def _removed(project: Project) -> None:
    (project.out / "1_zwx dog/1.png").unlink()


def _masked(project: Project) -> None:
    project.picture(f"{masks.FOLDER}/dog/1.png", 3)


def _source_changed(project: Project) -> None:
    project.picture("dog/1.png", 77)


def _ledger_lost(project: Project) -> None:
    (project.out / ".curate/ledger.sqlite").unlink()


CHANGES = [_nothing, _edited, _renamed, _removed, _masked, _source_changed, _ledger_lost]


@pytest.mark.parametrize("change", CHANGES, ids=lambda c: c.__name__.strip("_"))
def test_a_plan_writes_nothing(dogs: Project, change: Callable[[Project], None]) -> None:
    change(dogs)
    first = _plan(dogs)
    assert _plan(dogs) == first


def test_a_plan_writes_nothing_where_no_run_was(project: Project) -> None:
    project.picture("dog/a.png", 1)
    planned, _ = _plan(project)
    assert planned["convert"] == 1
    assert not project.out.exists()


def test_the_run_says_again_what_the_plan_said(dogs: Project) -> None:
    (dogs.out / "1_zwx dog").rename(dogs.out / "mine")
    _, notes = _plan(dogs)
    assert any("was renamed to mine" in note for note in notes)
    dogs.run()
    assert (dogs.out / "1_zwx dog").is_dir()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork to die in the middle of a run")
def test_a_plan_writes_nothing_after_a_kill(dogs: Project) -> None:
    dogs.edit("1_zwx dog/1.txt", "zwx dog, mine")
    for after in range(0, 24, 4):
        project = dogs.twin(f"killed{after}")
        project.concepts = {"dog": {"trigger": ["qqq hound"]}}
        killed(project.run, after)
        _plan(project)
        project.run()
        assert "zwx dog, mine" in project.captions().values()


def test_a_plan_waits_for_no_run_but_says_that_one_works(dogs: Project) -> None:
    with run_lock(dogs.out), pytest.raises(LockedError, match="another run"):
        drive.plan(load(dogs.pipeline()))
    drive.plan(load(dogs.pipeline()))


def test_a_killed_run_holds_nothing(dogs: Project) -> None:
    """Its number may belong to another program by now."""
    gone = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], check=True, capture_output=True)
    holder = dogs.out / ".curate/lock.json"
    facts = {"pid": int(gone.stdout), "host": os.uname().nodename, "since": "2001-01-01 00:00:00", "command": "run"}
    for pid in (facts["pid"], os.getpid()):
        holder.write_text(json.dumps({**facts, "pid": pid}), encoding="utf-8")
        check_unlocked(dogs.out)
