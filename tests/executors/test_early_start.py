"""Processes that start before the command is loaded: only where a stage's command has enough to do, and never left."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from curate.core.registry import stage, stage_names
from curate.core.stage import RecordStage
from curate.core.store import LEDGER
from curate.executors import early_start, pool
from curate.executors.parallelism import is_parallel


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "raw"
    made.mkdir()
    for n in range(20):
        (made / f"{n}.png").write_bytes(b"not a picture")
    return made


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    pool.POOL.close()
    yield
    pool.POOL.close()


def started(*arguments: object) -> int:
    early_start.start_early([str(one) for one in arguments])
    return pool.POOL.idle_count


def test_a_stage_on_cores_with_enough_pictures_starts_one(folder: Path) -> None:
    assert started("resize", folder, "--workers", 2, "-o", folder.parent / "out") == 1


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("run", "RAW"),
        ("tag", "RAW"),
        ("../drive/session", "RAW"),
        ("resize",),
        ("resize", "missing"),
        ("resize", "RAW", "--help"),
        ("resize", "RAW", "--workers", 1),
        ("resize", "RAW", "--workers=1"),
        ("resize", "RAW", "--workers"),
        ("resize", "RAW", "--workers", "many"),
    ],
)
def test_nothing_else_starts_one(folder: Path, arguments: tuple[object, ...]) -> None:
    assert started(*(folder if one == "RAW" else one for one in arguments)) == 0


def test_a_known_folder_and_a_small_one_start_none(folder: Path) -> None:
    out = folder.parent / "out"
    (out / LEDGER).mkdir(parents=True)
    (out / LEDGER / "ledger.sqlite").touch()
    assert started("resize", folder, "-o", out) == 0
    for path in list(folder.iterdir())[5:]:
        path.unlink()
    assert started("resize", folder, "--workers", "auto") == 0


@pytest.mark.parametrize("name", stage_names())
def test_what_a_file_declares_is_what_its_stage_needs(name: str) -> None:
    """The guess from the source agrees with the class, but for stages whose options or parts decide."""
    kind = stage(name)
    if (
        issubclass(kind, RecordStage)
        and kind.requirements is RecordStage.requirements
        and not kind.model_fields.get("model")
    ):
        assert early_start._is_spread(name) == is_parallel(kind())


def test_a_command_that_is_refused_leaves_no_process(folder: Path) -> None:
    """The pipes close only once every process has ended."""
    command = [sys.executable, "-m", "curate.cli", "resize", str(folder), "--max-side", "none", "--workers", "2"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 2
    assert "max-side" in done.stderr
