"""The length of a run, worked out from the pictures: as lines that name every factor, and as values."""

from __future__ import annotations

from typing import Any

from curate.core.counting import counted
from curate.train.data.order import Order
from curate.train.data.run_plan import Outline
from curate.train.options import TrainOptions


def length_lines(options: TrainOptions, made: Outline) -> list[str]:
    """The run's length, every factor named."""
    order = made.order
    shapes = ", ".join(f"{w}x{h}: {n}" for (w, h), n in made.shapes.items())
    return [
        f"{counted(made.pictures, 'picture')}{_at(options)} × their repeats = "
        f"{order.showings_per_epoch} shown per epoch; buckets {shapes}",
        f"batch {options.batch}, filled from one bucket and concept at a time → "
        f"{counted(order.batches_per_epoch, 'batch', 'batches')}; "
        f"accumulate {options.accumulate} → {counted(order.steps_per_epoch, 'step')} per epoch",
        _total(order, made),
    ]


def _at(options: TrainOptions) -> str:
    return f" at {len(options.resolutions)} resolutions" if len(options.resolutions) > 1 else ""


def _total(order: Order, made: Outline) -> str:
    often = round(made.showings / max(1, made.pictures), 2)
    each = f"each picture is shown {often:g} {'time' if often == 1 else 'times'} on average"
    whole = made.epochs * order.steps_per_epoch
    epochs = counted(made.epochs, "epoch")
    if made.steps == whole:
        return f"× {epochs} = {counted(made.steps, 'step')}; {each}"
    return f"{made.steps} of the {counted(whole, 'step')} of {epochs} are trained; {each}"


def length_values(options: TrainOptions, made: Outline) -> dict[str, Any]:
    """The same as values."""
    return {
        "pictures": made.pictures,
        "showings_per_epoch": made.order.showings_per_epoch,
        "batch": options.batch,
        "batches_per_epoch": made.order.batches_per_epoch,
        "accumulate": options.accumulate,
        "steps_per_epoch": made.order.steps_per_epoch,
        "epochs": made.epochs,
        "steps": made.steps,
        "showings": made.showings,
        "buckets": {f"{w}x{h}": n for (w, h), n in made.shapes.items()},
    }
