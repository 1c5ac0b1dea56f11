"""Streams and clocks for tests of what is shown."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

from curate.core.events import (
    Event,
    Note,
    RecordDone,
    RunFinished,
    RunStarted,
    Saved,
    Scanned,
    StageFinished,
    StageRecalled,
    StageStarted,
    TrainStep,
    Validated,
)
from curate.report.summary_text import show


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@dataclass
class Clock:
    """Time that moves when told."""

    now: float = 100.0

    def __call__(self) -> float:
        return self.now


HOSTILE = "dog/[bold]x[/bold]\x1b[31m\n\u202egnp.exe"

RUN: Sequence[Event] = (
    RunStarted("prepared", ("convert", "resize", "tag", "balance", "train"), "cpu"),
    Scanned(3, {"dog": 2, "robe": 1}),
    StageStarted("convert", 2, 1),
    StageStarted("resize", 2, 1),
    RecordDone("convert", "dog/a.png"),
    RecordDone("resize", "dog/a.png"),
    RecordDone("convert", HOSTILE, "truncated \x07file"),
    RecordDone("resize", HOSTILE, "truncated \x07file"),
    StageFinished("convert", 2, 1, 1, 2.5),
    StageFinished("resize", 2, 1, 1, 2.5),
    StageRecalled("tag", 2),
    Note("warning", "only one tag", "captions", "dog/a.png"),
    Note("warning", "only one tag", "captions", "robe/b.png"),
    Note("advice", "8 pictures are the floor", "balance"),
    StageStarted("balance", 2, 0),
    StageFinished("balance", 2, 0, 0, 0.01),
    StageStarted("train", 2, 0),
    TrainStep(21, 40, 0.5, 0.6, 1e-4),
    TrainStep(22, 40, 0.25, 0.5, 1e-4),
    Validated(22, 40, 0.8),
    Saved("checkpoint", "prepared/step22"),
    Saved("lora", "prepared/dog.safetensors"),
    StageFinished("train", 2, 0, 0, 61.0),
    RunFinished("done", 3, 2, 1, 64.0),
)


def printed(figures: dict[str, object], **options: bool) -> list[str]:
    stream = io.StringIO()
    show(figures, stream, **options)
    return stream.getvalue().splitlines()
