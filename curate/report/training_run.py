"""The training runs of a prepared folder: base, settings, losses, LoRA files and sample pictures."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from curate.report.loss_curves import loss_curves

if TYPE_CHECKING:
    from curate.train.output.run_records import Run

_ENDING = re.compile(r"(\d{6,})-(\d{2,})(?:-\d+)?\.png")
"""What follows the run in a sample picture's name: step, number of the prompt, and a count where a name was taken."""
_PER_PROMPT = 6
_RUNS = 6


@dataclass(frozen=True, slots=True)
class Sample:
    """A sample picture: drawn from `prompt`, the file's `number`-th counted from 0, after `step` steps."""

    path: Path
    step: int
    number: int
    prompt: str


@dataclass(frozen=True, slots=True)
class TrainingRun:
    """What is known of a run.

    settings  the options that are not their default
    options   all that decide the LoRA
    loras     the files that are there, the finished one last
    date      when the finished file was written, else when the run was last heard of, in local time
    losses    the curves by name, as (step, loss)
    """

    base: str
    settings: Mapping[str, str]
    loras: tuple[Path, ...]
    samples: tuple[Sample, ...]
    date: str
    finished: bool
    id: str = ""
    options: Mapping[str, Any] = field(default_factory=dict[str, Any])
    losses: Mapping[str, Sequence[tuple[int, float]]] = field(default_factory=dict[str, Sequence[tuple[int, float]]])


def training_runs(folder: Path, most: int = _RUNS) -> list[TrainingRun]:
    """The latest runs of the folder, the one that was last worked on at the end."""
    from curate.train.output.run_records import runs_of

    return [_run(run, folder) for run in runs_of(folder)[-most:]]


def _run(run: Run, folder: Path) -> TrainingRun:
    from curate.train.output.run_records import lora_files
    from curate.train.storage.paths import home

    finished = run.path(folder) if run.file and run.sha256 else None
    loras = tuple(lora_files(run, folder))
    paths = [*run.saves(folder), *([finished] if finished else [])]
    dated = finished if finished in loras else home(folder) / run.id / "run.json"
    places = {path.parent for path in paths} or {folder / "lora"}
    samples = sorted(
        (one for place in places for one in _samples(place / "samples", run.id)), key=lambda s: (s.number, s.step)
    )
    return TrainingRun(
        str(run.options.get("base", "")), changed_options(run.options), loras, tuple(samples), _date(dated),
        finished in loras, run.id, run.options, loss_curves(home(folder) / "logs", run.id),
    )  # fmt: skip


def changed_options(options: Mapping[str, Any]) -> dict[str, str]:
    """Options that are not their default, as a person writes them; the base is told apart."""
    from curate.train.options import TrainOptions

    defaults = TrainOptions.build({}).model_dump(mode="json")
    return {
        name: _written(value)
        for name, value in options.items()
        if name not in ("base", "optimizer_revision") and value != defaults.get(name, [])
    }


def _written(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(_written, value))
    if isinstance(value, dict):
        return ", ".join(f"{key}={_written(one)}" for key, one in value.items())
    if isinstance(value, bool):
        return "on" if value else "off"
    return "not set" if value is None else str(value)


def _samples(place: Path, run: str) -> Iterator[Sample]:
    """The sample pictures of a run, of each prompt the last ones."""
    from curate.sampling.picture_file import parameters

    rows: dict[int, list[tuple[int, Path]]] = {}
    for path in place.glob(f"*-{run[:8]}-*.png"):
        if found := _ENDING.fullmatch(path.name.rpartition(f"-{run[:8]}-")[2]):
            rows.setdefault(int(found[2]), []).append((int(found[1]), path))
    for number, drawn in rows.items():
        for step, path in sorted(drawn)[-_PER_PROMPT:]:
            yield Sample(path, step, number, parameters(path).prompt)


def _date(path: Path) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(path.stat().st_mtime))
