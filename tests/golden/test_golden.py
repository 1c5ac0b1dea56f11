"""Golden texts: what a user reads is a visible diff when it changes.

    CURATE_GOLDEN=write python -m pytest tests/golden

writes the files anew; read the diff before you commit it.
"""

from __future__ import annotations

import importlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from curate import drive
from curate.cli.main import GROUPS, main
from curate.pipeline import load, schema
from tests.folder.helpers import Project

HERE = Path(__file__).parent
WRITE = os.environ.get("CURATE_GOLDEN") == "write"


def compare(name: str, text: str) -> None:
    path = HERE / name
    if WRITE:
        path.write_text(text, encoding="utf-8", newline="\n")
    assert path.is_file(), f"{name} is missing: CURATE_GOLDEN=write makes it"
    assert text == path.read_text(encoding="utf-8"), f"{name} differs: CURATE_GOLDEN=write brings it up to date"


@pytest.mark.parametrize(
    "command", ["", "resize", "balance", "train", "train-all", "evaluate", "evaluate-all", "sample", "grid", "review"]
)
def test_help(command: str) -> None:
    found = {**os.environ, "COLUMNS": "100", "NO_COLOR": "1", "TERM": "dumb", "PYTHONIOENCODING": "utf-8"}
    name, _, everything = command.partition("-")
    arguments = [
        sys.executable,
        "-m",
        "curate.cli",
        *([name] if name else []),
        "--help-all" if everything else "--help",
    ]
    done = subprocess.run(
        arguments, capture_output=True, text=True, encoding="utf-8", env=found, check=True, cwd=HERE.parents[1]
    )
    assert done.stderr == ""
    compare(
        f"help{'-' * bool(command)}{command}.txt", "\n".join(line.rstrip() for line in done.stdout.splitlines()) + "\n"
    )


@pytest.mark.parametrize("group", sorted(GROUPS))
def test_help_of_sub_commands(group: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    for command in ("", *commands_of(group)):
        with pytest.raises(SystemExit) as end:
            main([group, *filter(None, [command]), "--help"])
        out, err = capsys.readouterr()
        assert (end.value.code, err) == (0, "")
        page = "\n".join(line.rstrip() for line in out.splitlines()) + "\n"
        compare(f"help-{'-'.join(filter(None, (group, command)))}.txt", page)


def commands_of(group: str) -> list[str]:
    app = importlib.import_module(f"curate.cli.{group}").app
    return [str(command.name) for command in app.registered_commands]


def test_schema(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["schema"])
    assert json.loads(capsys.readouterr().out) == schema()
    compare("schema.json", json.dumps(schema(), indent=1, ensure_ascii=False, sort_keys=True) + "\n")


def test_plan(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Before a run, after it, with a late option changed, with an early one changed, with a new picture."""
    project = Project(tmp_path, ["convert", {"resize": {"max_side": 4}}, "captions", "trigger", "balance", "export"])
    for n in range(3):
        project.picture(f"dog/{n}.png", n)
    lines: list[str] = []

    def plan(title: str, *settings: str) -> None:
        rows = drive.plan(load(project.place / "pipeline.yaml", settings))
        lines.append(title)
        lines.extend(f"  {r.stage:<10} compute {r.compute}  recalled {r.recalled}  open {r.unknown}" for r in rows)

    project.run()
    shutil.move(project.out, project.place / "set by")
    plan("before a run")
    shutil.move(project.place / "set by", project.out)
    plan("after it")
    plan("another base", "balance.base=2")
    plan("a black list", "captions.blacklist=sky")
    plan("another size", "resize.max_side=3")
    project.picture("dog/new.png", 77)
    plan("a new picture")
    compare("plan.txt", "\n".join(lines) + "\n")
    capsys.readouterr()
    with pytest.raises(SystemExit) as end:
        main(["plan", str(project.place / "pipeline.yaml")])
    out, err = capsys.readouterr()
    assert (end.value.code, err) == (0, "")
    compare("plan-printed.txt", out)
