"""Picture losses: the mean loss of each picture in a training, by which one sees what is learned badly."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from curate.core.files import write_text
from curate.names import folder_name
from curate.train.storage.paths import homes

FILE = "picture_losses.json"
"""In a run's folder: a picture by `picture_name` -> [mean loss, showings]."""

Sums = dict[int, list[float]]
"""Place of a picture in a training -> [sum of its losses, showings]."""


def picture_name(path: Path) -> str:
    """What a picture is called, also where its folder gets other repeats or is moved: `zwx dog/a.png`."""
    return f"{folder_name(path.parent.name).name}/{path.name}"


def add(sums: Sums, pictures: Iterable[int], losses: Iterable[float]) -> None:
    """Adds the losses of showings, each of the picture at that place."""
    for picture, loss in zip(pictures, losses, strict=True):
        own = sums.setdefault(picture, [0.0, 0])
        own[0] += loss
        own[1] += 1


def write(sums: Sums, paths: Sequence[Path], folder: Path) -> None:
    """Writes the means into the run's folder; `paths` are the pictures by place."""
    means = {picture_name(paths[n]): [round(total / count, 6), count] for n, (total, count) in sums.items()}
    write_text(folder / FILE, json.dumps(means, indent=1, sort_keys=True), sync=False)


def latest(folder: Path) -> Path | None:
    """The file of the training of a prepared folder that was last worked on, None without one."""
    found = [path for place in homes(folder) for path in place.glob(f"*/{FILE}")]
    return max(found, key=lambda path: path.stat().st_mtime_ns, default=None)


def read(path: Path | None) -> dict[str, float]:
    """The mean losses of a file, by `picture_name`; nothing without one."""
    if path is None:
        return {}
    with contextlib.suppress(OSError, ValueError, TypeError, AttributeError):
        return {name: float(mean) for name, (mean, _) in json.loads(path.read_text(encoding="utf-8")).items()}
    return {}
