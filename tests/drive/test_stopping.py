"""SIGTERM ends a run within the file at hand, in any phase; the next run completes it."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest

from curate.cli.main import main
from curate.core.events import Listener
from curate.core.record import Image, Manifest, Record
from curate.core.runner import Runner
from curate.core.stage import DatasetStage, Env
from curate.core.store import Store
from curate.drive.process_state import process_state
from curate.drive.session import env_over, silent
from curate.errors import Interrupted
from curate.executors.local import InProcess
from curate.pipeline import RunOptions
from tests.folder.helpers import Project, same_but

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX processes and signals")
COUNT, ENDED = 12, 100


class Endless(DatasetStage):
    """Works on all records together, and never asks whether the user wants to stop."""

    def run(self, manifest: Manifest, env: Env, tell: Listener) -> Manifest:
        """Goes on for ever, once the user wants to stop."""
        signal.raise_signal(signal.SIGTERM)
        while True:
            env.output.exists()


class Stepwise(DatasetStage):
    """Finishes the step it is at when the user wants to stop, as a training does."""

    finishes_steps: ClassVar[bool] = True
    steps: ClassVar[list[str]] = []

    def run(self, manifest: Manifest, env: Env, tell: Listener) -> Manifest:
        """One step and no second one."""
        signal.raise_signal(signal.SIGTERM)
        self.steps.append("finished")
        assert env.stopping()
        return manifest


def _project(place: Path) -> Project:
    stages = [{"captions": {"blacklist": ["dark"]}}, "trigger", "balance", "export"]
    project = Project(place, stages=stages, concepts={"dog": {"trigger": ["zwx dog"]}})
    for n in range(COUNT):
        project.picture(f"dog/{n:02}/a.png", 10 + n, caption="grass, dark")
    return project


@dataclass(frozen=True)
class Phase:
    """Files or folders below a place that a run takes one by one, once it has made a file of its ledger folder."""

    below: str
    ending: str = ""
    event: str = "open"
    since: str = "ledger.sqlite"
    at: int = 3
    """SIGTERM comes at which of them."""


PHASES = {
    "comparing with the last run": Phase("in/dog", event="os.scandir"),
    "listing": Phase("in/dog", event="os.scandir", at=COUNT + 5),
    "hashing": Phase("in/dog", ".png"),
    "reading captions": Phase("in/dog", ".txt"),
    "export": Phase("out/.curate/staging"),
    "report": Phase("in/dog", ".png", since="summary.json"),
}


def _taken_after_signal(project: Project, phase: Phase) -> int:
    """How many files a run still takes of a phase in which it gets SIGTERM, after the one at hand."""
    below, since = str(project.place / phase.below), str(project.out / ".curate" / phase.since)
    file = project.pipeline()
    if child := os.fork():
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        assert code >= ENDED, "it was not interrupted"
        return code - ENDED
    seen = 0

    def watch(event: str, about: tuple[Any, ...]) -> None:
        nonlocal seen
        name = about[0] if event == phase.event else None
        if isinstance(name, str) and name.startswith(below) and name.endswith(phase.ending) and Path(since).exists():
            seen += 1
            if seen == phase.at:
                signal.raise_signal(signal.SIGTERM)

    sys.addaudithook(watch)
    try:
        main(["run", str(file), "--quiet"])
    except SystemExit as end:
        os._exit(ENDED + seen - phase.at if end.code == 130 else 0)
    except BaseException as error:
        os.write(2, repr(error).encode())
    os._exit(0)


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    project = _project(tmp_path_factory.mktemp("whole") / "set")
    project.run()
    return project.files()


@pytest.mark.parametrize("phase", PHASES)
def test_a_first_run_stops_in_each_phase(tmp_path: Path, phase: str, expected: dict[str, bytes]) -> None:
    project = _project(tmp_path / "set")
    assert _taken_after_signal(project, PHASES[phase]) == 0
    project.run()
    assert not same_but(project.files(), expected)
    assert (project.out / ".curate/report.json").is_file()


def test_a_later_run_stops_while_it_looks_for_edited_captions(tmp_path: Path, expected: dict[str, bytes]) -> None:
    project = _project(tmp_path / "set")
    project.run()
    edited = "1_zwx dog/03_a.txt"
    project.edit(edited, "my words")
    assert _taken_after_signal(project, Phase("out/1_zwx dog", ".txt")) == 0
    project.run()
    assert not same_but(project.files(), {**expected, edited: b"my words"})


def _run_alone(stage: DatasetStage, place: Path) -> None:
    with Store(place) as store, process_state(silent) as stop:
        env = env_over(place, place, RunOptions(), {}, store, stop)
        runner = Runner(store, env, lambda chain, todo: InProcess(), silent)
        runner.run([stage], Manifest([Record("dog/a.png", "dog", "o", Image("o"))]))


def test_a_stage_that_never_asks_is_stopped(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        _run_alone(Endless(), tmp_path)


def test_a_stage_that_asks_finishes_its_step(tmp_path: Path) -> None:
    with pytest.raises(Interrupted):
        _run_alone(Stepwise(), tmp_path)
    assert Stepwise.steps == ["finished"]


def test_nothing_interruptible_begins_once_the_user_wants_to_stop() -> None:
    with process_state(silent) as stop:
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt), stop.interruptible():
            raise AssertionError("it began")


def test_rows_that_are_interrupted_are_not_kept_in_part(tmp_path: Path) -> None:
    def rows() -> Iterator[tuple[str, str]]:
        yield "a", "dog/a.png"
        raise KeyboardInterrupt

    with Store(tmp_path) as store:
        store.keep_sources([("b", "dog/b.png")])
        store.commit()
        with pytest.raises(KeyboardInterrupt):
            store.keep_sources(rows())
    with Store(tmp_path) as store:
        assert store.sources() == {("b", "dog/b.png")}
