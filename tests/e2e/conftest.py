"""The real command on real files: started from cold, or forked from a process that has its libraries already."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.warm import Process, Server

ROOT = Path(__file__).parents[2]
PHOTOS = ROOT / "../shared/data/photos"

Curate = Callable[..., subprocess.CompletedProcess[str]]


def environment() -> dict[str, str]:
    """No network, no colours forced on or off, one thread for each of the libraries."""
    kept = {k: v for k, v in os.environ.items() if k not in ("FORCE_COLOR", "NO_COLOR", "CLICOLOR_FORCE")}
    return kept | {"HF_HUB_OFFLINE": "1", "COLUMNS": "120"}


def command(*arguments: str | Path) -> list[str]:
    return [sys.executable, "-m", "curate.cli", *map(str, arguments)]


Start = Callable[..., "Process | subprocess.Popen[bytes]"]


@pytest.fixture
def start(server: Server | None) -> Start:
    """Starts the command; what it prints goes into OUT.out and OUT.err."""

    def begin(*arguments: str | Path, cwd: Path, out: Path) -> Process | subprocess.Popen[bytes]:
        if server is not None:
            return server.start(*arguments, cwd=cwd, env=environment(), out=out)
        with out.with_suffix(".out").open("wb") as stdout, out.with_suffix(".err").open("wb") as stderr:
            return subprocess.Popen(command(*arguments), stdout=stdout, stderr=stderr, env=environment(), cwd=cwd)

    return begin


@pytest.fixture
def cold() -> Curate:
    """Runs the command as a shell does; checks its exit code (0 unless `code` says otherwise)."""

    def run(*arguments: str | Path, code: int = 0, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            command(*arguments),
            check=False,
            capture_output=True,
            text=True,
            encoding="utf-8",
            env=environment(),
            cwd=cwd or ROOT,
            timeout=300,
        )
        return checked(done, code)

    return run


@pytest.fixture
def curate(server: Server | None, cold: Curate, tmp_path_factory: pytest.TempPathFactory) -> Curate:
    """Runs the command, forked where that can be; checks its exit code (0 unless `code` says otherwise)."""
    if server is None:
        return cold

    def run(*arguments: str | Path, code: int = 0, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        out = tmp_path_factory.mktemp("said") / "said"
        process = server.start(*arguments, cwd=cwd or ROOT, env=environment(), out=out)
        ended = process.wait()
        said = (out.with_suffix(end).read_text(encoding="utf-8") for end in (".out", ".err"))
        return checked(subprocess.CompletedProcess(command(*arguments), ended, *said), code)

    return run


def checked(done: subprocess.CompletedProcess[str], code: int) -> subprocess.CompletedProcess[str]:
    assert done.returncode == code, f"exit {done.returncode}, expected {code}\n{done.stdout}\n{done.stderr}"
    return done


def draw(path: Path, seed: int, size: tuple[int, int] = (96, 64)) -> Path:
    """A small picture of its own: a coloured disc on a plain ground."""
    random = np.random.default_rng(seed)
    ground, disc = random.integers(0, 256, 3), random.integers(0, 256, 3)
    y, x = np.mgrid[: size[1], : size[0]]
    inside = (x - size[0] / 2) ** 2 + (y - size[1] / 2) ** 2 < (min(size) / 3) ** 2
    pixels = np.where(inside[..., None], disc, ground).astype(np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """Two concepts, 4 and 2 pictures."""
    folder = tmp_path / "raw"
    for i in range(4):
        draw(folder / "dog" / f"{i}.png", i)
    for i in range(2):
        draw(folder / "blue robe" / f"r {i}.png", 10 + i)
    return folder


STAGES = """
  - convert
  - resize: {max_side: 64}
  - tag: {tagger: palette}
  - captions: {blacklist: [dark]}
  - prune: {implications: danbooru}
  - trigger
  - balance
  - export
"""


def pipeline(tmp_path: Path, raw: Path, *, concepts: str = "dog: {trigger: [zwx dog]}", stages: str = STAGES) -> Path:
    """A pipeline file beside its output `prepared/`."""
    path = tmp_path / "pipeline.yaml"
    path.write_text(
        f"input: {json.dumps(str(raw))}\noutput: prepared\nconcepts:\n  {concepts}\nstages:{stages}", encoding="utf-8"
    )
    return path


def events(output: Path) -> list[dict[str, Any]]:
    """The events of the last run."""
    rows = [json.loads(line) for line in (output / ".curate/events.jsonl").read_text(encoding="utf-8").splitlines()]
    last = max(i for i, row in enumerate(rows) if row["event"] == "RunStarted")
    return rows[last:]


def computed(output: Path) -> list[str]:
    """The stages that computed something in the last run, in order."""
    return [row["stage"] for row in events(output) if row["event"] == "StageStarted"]


def tree(folder: Path, skip: Sequence[str] = (".curate",)) -> dict[str, bytes]:
    """All files with their bytes."""
    return {
        p.relative_to(folder).as_posix(): p.read_bytes()
        for p in sorted(folder.rglob("*"))
        if p.is_file() and not any(part in skip for part in p.relative_to(folder).parts)
    }
