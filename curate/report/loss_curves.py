"""Loss curves of training runs, from the files that are written for TensorBoard."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from curate.core.warning_filters import ignore_warnings

_POINTS = 400
CURVES = {"loss/average": "training loss, moving average", "loss/validation": "validation loss"}
"""What is read, by its name in the files, and what people call it."""


def loss_curves(logs: Path, run: str) -> Mapping[str, tuple[tuple[int, float], ...]]:
    """The losses of a run as (step, loss), by name, at most 400 points each.

    `logs` is the folder with the runs' logs, `run` the run's id. Empty where the run wrote none, or where they cannot
    be read. What an interrupted run wrote beyond its last checkpoint is left out, as TensorBoard does.
    """
    folders = [path for path in logs.glob(f"*-{run[:8]}") if path.is_dir()]
    if not folders:
        return {}
    with ignore_warnings():
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

        reader: Any = EventAccumulator(str(folders[0]), size_guidance={"scalars": 0})
        # a file that a kill cut off, or that another program wrote, raises whatever its reader stumbles over
        with contextlib.suppress(Exception):
            reader.Reload()
        names = [name for name in CURVES if name in reader.Tags()["scalars"]]
        curves = {CURVES[name]: [(one.step, float(one.value)) for one in reader.Scalars(name)] for name in names}
    return {name: thinned(points) for name, points in curves.items()}


def thinned(points: list[tuple[int, float]]) -> tuple[tuple[int, float], ...]:
    """At most 400 points, evenly spread, the last one among them."""
    if len(points) <= _POINTS:
        return tuple(points)
    stride = -(-len(points) // _POINTS)
    return tuple(points[(len(points) - 1) % stride :: stride])
