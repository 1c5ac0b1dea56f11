"""The command where standard streams are closed, full or left, and where Python was started in another way."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.e2e.conftest import ROOT, command, draw, environment, pipeline

pytestmark = pytest.mark.skipif(os.name == "nt", reason="a shell of its own kind")


def shell(line: str, *arguments: str | Path, **more: str) -> subprocess.CompletedProcess[bytes]:
    """What becomes of the command, which the line calls "$@"."""
    program = ["sh", "-c", line, "sh", *command(*arguments)]
    return subprocess.run(program, capture_output=True, env=environment() | more, cwd=ROOT, check=False, timeout=120)


def test_a_closed_output_refuses_what_is_printed(tmp_path: Path, raw: Path) -> None:
    done = shell('"$@" >&-', "plan", pipeline(tmp_path, raw))
    assert (done.returncode, done.stderr.count(b"\n")) == (2, 2)
    assert b"standard output is closed" in done.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_run_goes_on_where_nothing_can_be_told(tmp_path: Path, raw: Path) -> None:
    done = shell('"$@" <&- >&- 2>/dev/full', "run", pipeline(tmp_path, raw, stages="\n  - export\n"))
    assert done.returncode == 0
    assert len(list((tmp_path / "prepared/1_zwx dog").glob("*.png"))) == 4


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_full_disk_refuses_what_is_printed(tmp_path: Path, raw: Path) -> None:
    done = shell('"$@" >/dev/full', "plan", pipeline(tmp_path, raw))
    assert done.returncode == 3
    assert done.stderr.startswith(b"curate: the disk is full while writing standard output")
    assert b"Traceback" not in done.stderr and b"Exception" not in done.stderr


def test_a_reader_who_has_enough_ends_it_without_a_word(tmp_path: Path, raw: Path) -> None:
    file = pipeline(tmp_path, raw)
    done = shell('{ "$@"; echo "exit $?" >&2; } | true', "plan", file)
    assert done.stderr == b"exit 0\n"


def test_names_are_the_same_under_another_locale(tmp_path: Path) -> None:
    picture = draw(tmp_path / "raw/dog/\N{DOG}.png", 1)
    file = pipeline(tmp_path, picture.parents[1], concepts="dog: {trigger: [\N{DOG}]}", stages="\n  - export\n")
    ascii_only = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONIOENCODING": "ascii"}
    done = shell('"$@"', "run", file, **ascii_only)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "prepared/1_\N{DOG}/\N{DOG}.png").is_file()


def test_python_without_docstrings_is_refused() -> None:
    done = shell('"$@"', "--help", PYTHONOPTIMIZE="2")
    assert done.returncode == 3
    assert b"unset PYTHONOPTIMIZE" in done.stderr and b"Error:" not in done.stderr
