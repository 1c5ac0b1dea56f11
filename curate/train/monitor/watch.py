"""Looks at a run while it trains (validation loss, sample pictures, TensorBoard) and changes nothing of it."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from curate.core.events import TrainStep, Validated
from curate.train.data.job import Context


@dataclass(frozen=True)
class Rhythm:
    """After which steps something is due: every n steps or epochs, by default each epoch, and at the end."""

    steps: int
    epochs: int
    per_epoch: int
    last: int
    at_start: bool = False

    def due(self, done: int) -> bool:
        """Whether it is after so many steps."""
        if done == 0:
            return self.at_start
        epochs = self.epochs or (0 if self.steps else 1)
        by_epoch = bool(epochs) and done % (self.per_epoch * epochs) == 0
        return done == self.last or by_epoch or (bool(self.steps) and done % self.steps == 0)


Look = Callable[[int], None]


class Watch:
    """What a loop tells of its steps, and what is looked at in which rhythm."""

    def __init__(self, looks: Sequence[tuple[Rhythm, Look]], board: Board | None = None) -> None:
        self.looks, self.board = looks, board

    def step(self, told: TrainStep) -> None:
        """A step's figures go to TensorBoard."""
        if self.board:
            self.board.scalars(told.step, {"loss/step": told.loss, "loss/average": told.average, "rate": told.rate})

    def due(self, done: int) -> bool:
        """Whether anything is."""
        return any(rhythm.due(done) for rhythm, _ in self.looks)

    def look(self, done: int) -> None:
        """Does what is due."""
        for rhythm, look in self.looks:
            if rhythm.due(done):
                look(done)

    def close(self) -> None:
        """Writes what is left to be written."""
        if self.board:
            self.board.close()


class Board:
    """TensorBoard's event files, written by a thread of their own."""

    def __init__(self, folder: Path, first_step: int, said: str = "") -> None:
        """Figures of `first_step` and later that an interrupted run left are hidden. `said` is shown as text."""
        from torch.utils.tensorboard.writer import SummaryWriter

        self.writer: Any = SummaryWriter(str(folder), purge_step=first_step if first_step > 1 else None, flush_secs=10)
        if said and first_step <= 1:
            self.writer.add_text("options", said)

    def scalars(self, step: int, values: dict[str, float]) -> None:
        """Values by name."""
        for name, value in values.items():
            self.writer.add_scalar(name, value, step)

    def picture(self, name: str, step: int, pixels: Any) -> None:
        """A picture, uint8 H×W×3."""
        self.writer.add_image(name, pixels, step, dataformats="HWC")

    def close(self) -> None:
        """Writes what is left."""
        self.writer.close()


def board_command(logs: Path) -> str:
    """The command that opens TensorBoard on all runs of a folder."""
    return f"tensorboard --logdir {shlex.quote(str(logs))}"


def validating(measure: Callable[[], float], steps: int, context: Context, board: Board | None) -> Look:
    """Measures and tells the validation loss."""

    def look(done: int) -> None:
        loss = measure()
        context.tell(Validated(done, steps, loss))
        if board:
            board.scalars(done, {"loss/validation": loss})

    return look
