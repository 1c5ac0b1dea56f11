"""A run that nothing has changed for tells the same as the one before; whatever changes, it is seen."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from curate import drive
from curate.cli.main import main
from curate.core import registry
from curate.core.digests import CLOCK_GRAIN, FileDigests
from curate.core.events import Event
from curate.core.store import Store
from curate.drive.fingerprint import fingerprint, is_decided
from curate.drive.session import env_over
from curate.pipeline import load
from tests.folder.helpers import Project, killed, same_but

TABLE = "hat,head_wear\n"
STAGES = [
    "convert",
    {"dedupe": {"near": False}},
    {"captions": {"blacklist": ["dark"]}},
    {"prune": {"implications": "table.csv"}},
    "trigger",
    "balance",
    {"export": {"also": ["metadata.jsonl"]}},
]


def _project(place: Path) -> Project:
    """A run over it has something to tell of each kind: warnings, an edit, what is set aside, a fixed concept."""
    project = Project(place, stages=STAGES, exclude=["3.png"], concepts={"dog": {"trigger": ["zwx dog"]}})
    place.mkdir(parents=True)
    (place / "table.csv").write_text(TABLE, encoding="utf-8")
    for n in range(4):
        project.picture(f"dog/{n}.png", 10 + n, caption="grass, hat, head_wear, dark")
    project.picture("cat/4.png", 11)  # a copy of dog/1.png
    project.picture("0_off/5.png", 50)
    project.run()
    project.edit("1_zwx dog/0.txt", "my words")
    (project.out / "1_zwx dog/foreign.png").write_bytes((project.place / "in/cat/4.png").read_bytes())
    project.run()
    return project


def _option(project: Project) -> None:
    project.stages = [*STAGES[:-1], {"export": {"also": ["metadata.jsonl", "dataset.zip"]}}]


def _early_option(project: Project) -> None:
    project.stages = [{"convert": {"background": "black"}}, *STAGES[1:]]


def _stage(project: Project) -> None:
    project.stages = [*STAGES[:3], *STAGES[4:]]


def _trigger(project: Project) -> None:
    project.concepts = {"dog": {"trigger": ["qqq dog"]}}


def _excluded(project: Project) -> None:
    project.exclude = []


def _quiet_edit(project: Project) -> None:
    """As many letters, and the old time."""
    file = project.out / "1_zwx dog/2.txt"
    before = file.stat()
    file.write_text(file.read_text("utf-8").replace("grass", "gross"), encoding="utf-8")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))


def _killed(project: Project) -> None:
    """A run with another trigger is killed when it has written one picture, then the trigger is as it was."""
    _trigger(project)
    file = project.pipeline()
    assert killed(lambda: drive.run(load(file), quiet=True), 12)
    project.concepts = {"dog": {"trigger": ["zwx dog"]}}


def _ledger(project: Project) -> None:
    """A command that changes nothing but what the ledger knows."""
    with Store(project.out) as store:
        store.keep_edit("another origin", "dog/9.png", "left over")


def _tags(project: Project) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["tags", "add", str(project.out), "new tag"])
    assert ended.value.code == 0


CHANGES: dict[str, Callable[[Project], object]] = {
    "edited caption": lambda p: p.edit("1_zwx dog/2.txt", "zwx dog, mine"),
    "quiet edit": _quiet_edit,
    "edit taken back": lambda p: p.edit("1_zwx dog/0.txt", "zwx dog, grass, hat"),
    "deleted caption": lambda p: (p.out / "1_zwx dog/2.txt").unlink(),
    "deleted picture": lambda p: (p.out / "1_zwx dog/2.png").unlink(),
    "painted over": lambda p: (p.out / "1_zwx dog/2.png").write_bytes((p.place / "in/cat/4.png").read_bytes() + b"0"),
    "renamed folder": lambda p: (p.out / "1_zwx dog").rename(p.out / "3_zwx dog"),
    "foreign picture gone": lambda p: (p.out / "1_zwx dog/foreign.png").unlink(),
    "deleted object": lambda p: shutil.rmtree(p.out / ".curate/objects"),
    "further file edited": lambda p: p.edit("metadata.jsonl", "{}"),
    "report deleted": lambda p: (p.out / ".curate/report.html").unlink(),
    "changed source": lambda p: p.picture("dog/1.png", 90),
    "touched source": lambda p: os.utime(p.place / "in/dog/1.png", (1, 1)),
    "source caption": lambda p: (p.place / "in/dog/1.txt").write_text("grass, sun", encoding="utf-8"),
    "added source": lambda p: p.picture("dog/7.png", 99),
    "removed source": lambda p: (p.place / "in/dog/1.png").unlink(),
    "folder switched on": lambda p: (p.place / "in/0_off").rename(p.place / "in/2_off"),
    "late option": _option,
    "early option": _early_option,
    "stage left out": _stage,
    "concept": _trigger,
    "exclude": _excluded,
    "table": lambda p: (p.place / "table.csv").write_text("grass,hat\n", encoding="utf-8"),
    "killed run": _killed,
    "ledger": _ledger,
    "tags": _tags,
}


@pytest.fixture(scope="module")
def projects(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Project]]:
    """A project for each change, all of which know their last run."""
    place = tmp_path_factory.mktemp("known")
    made = {name: _project(place / name.replace(" ", "_")) for name in ("nothing", *CHANGES)}
    time.sleep(CLOCK_GRAIN / 1e9 + 0.1)
    for project in made.values():
        assert project.run().manifest is not None
    yield made
    shutil.rmtree(place)


def _events(project: Project) -> list[dict[str, Any]]:
    """What the last run told, without times."""
    lines = [json.loads(line) for line in (project.out / ".curate/events.jsonl").read_text().splitlines()]
    start = max(i for i, event in enumerate(lines) if event["event"] == "RunStarted")
    return [{k: v for k, v in event.items() if k not in ("time", "seconds")} for event in lines[start:]]


def _figures(result: drive.Result) -> dict[str, Any]:
    """Without times and places."""
    stages = [{**row, "seconds": 0} for row in result.figures["stages"]]
    return {k: v for k, v in result.figures.items() if k not in ("seconds", "where", "next")} | {"stages": stages}


def test_nothing_changed(projects: dict[str, Project]) -> None:
    project = projects["nothing"]
    told, before, summary = _events(project), project.files(), project.out / ".curate/summary.json"
    kept = json.loads(summary.read_text("utf-8"))
    result = project.run()
    assert result.manifest is None
    assert _events(project) == told
    assert {e["event"] for e in told} >= {"Scanned", "Note", "StageRecalled", "RunFinished"}
    assert project.files() == before
    assert json.loads(summary.read_text("utf-8")) | {"seconds": 0} == kept | {"seconds": 0}
    assert result.figures["edited"] == ["dog/0.png"]
    assert [row["key"] for row in result.figures["aside"]] == ["dog/1.png", "dog/3.png"]


def test_a_plan_says_the_same_as_one_that_looks_at_the_records(projects: dict[str, Project]) -> None:
    project = projects["nothing"]
    told: list[list[Event]] = [[], []]
    twin = project.twin("twin")
    rows = drive.plan(load(project.pipeline()), told[0].append)
    twin_rows = drive.plan(load(twin.pipeline()), told[1].append)
    shutil.rmtree(twin.out)
    assert rows == twin_rows
    assert all(row.recalled and not row.compute for row in rows)
    assert told[0] == told[1]


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_is_seen(change: str, projects: dict[str, Project]) -> None:
    project = projects[change]
    assert project.run().manifest is None
    CHANGES[change](project)
    twin = project.twin("twin")  # a copy: its files are younger, so that its records are always looked at
    result = project.run()
    assert result.manifest is not None
    expected = twin.run()
    assert expected.manifest is not None
    assert not same_but(project.files(), twin.files())
    assert project.captions() == twin.captions()
    assert _figures(result) == _figures(expected)


def test_a_file_that_could_still_change_is_not_trusted(tmp_path: Path) -> None:
    project = _project(tmp_path / "young")
    assert project.run().manifest is not None
    assert project.run().manifest is not None


PLUGIN = """
from curate.stages.balance import Balance

class Mine(Balance):
    pass
"""


def test_another_program_is_another_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A plug-in's file stands for the program's: its code may do another thing with the same options."""
    (tmp_path / "code/my_stages").mkdir(parents=True)
    module = tmp_path / "code/my_stages/mine.py"
    module.write_text(PLUGIN, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path / "code"))
    project = Project(tmp_path / "project", stages=["convert", "my_stages.mine", "export"])
    project.picture("dog/1.png")
    pipeline = load(project.pipeline())
    env = env_over(pipeline.output, pipeline.output, pipeline.run, pipeline.concepts, None)
    time.sleep(CLOCK_GRAIN / 1e9 + 0.1)
    before = fingerprint(pipeline, env, FileDigests())
    assert before is not None
    assert fingerprint(pipeline, env, FileDigests()) == before
    assert fingerprint(pipeline, dataclasses.replace(env, device="cuda"), FileDigests()) != before
    assert fingerprint(pipeline, env, FileDigests(), pauses=True) != before
    module.write_text(PLUGIN + "# newer", encoding="utf-8")
    assert fingerprint(pipeline, env, FileDigests()) is None
    time.sleep(CLOCK_GRAIN / 1e9 + 0.1)
    assert fingerprint(pipeline, env, FileDigests()) not in (None, before)


def test_stages_that_look_elsewhere_say_so() -> None:
    stages = {name: registry.stage(name)() for name in registry.stage_names()}
    undecided = {name for name, stage in stages.items() if not all(map(is_decided, stage.parts()))}
    assert undecided == {"train", "sample", "evaluate"}
