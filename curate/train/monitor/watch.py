"""Watches a run while it trains (validation loss, sample pictures, TensorBoard) and changes nothing of it."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from curate.core.events import TrainStep, Validated
from curate.train.data.job import Context


@dataclass(frozen=True)
class Interval:
    """After which steps something is due: every n steps or epochs, by default each epoch, and at the end."""

    steps: int
    epochs: int
    per_epoch: int
    last: int
    at_start: bool = False

    def is_due(self, done: int) -> bool:
        """Whether it is after so many steps."""
        if done == 0:
            return self.at_start
        epochs = self.epochs or (0 if self.steps else 1)
        by_epoch = bool(epochs) and done % (self.per_epoch * epochs) == 0
        return done == self.last or by_epoch or (bool(self.steps) and done % self.steps == 0)


Action = Callable[[int], None]
"""What is done after so many steps."""


class Monitor:
    """The observer of a loop: its figures go to TensorBoard, and each action is carried out in its own interval."""

    def __init__(self, actions: Sequence[tuple[Interval, Action]], board: Board | None = None) -> None:
        self.actions, self.board = actions, board

    def record(self, step: TrainStep) -> None:
        """A step's figures go to TensorBoard."""
        if self.board:
            self.board.scalars(step.step, {"loss/step": step.loss, "loss/average": step.average, "rate": step.rate})

    def is_due(self, done: int) -> bool:
        """Whether any action is."""
        return any(interval.is_due(done) for interval, _ in self.actions)

    def observe(self, done: int) -> None:
        """Carries out what is due."""
        for interval, action in self.actions:
            if interval.is_due(done):
                action(done)

    def close(self) -> None:
        """Writes what is left to be written."""
        if self.board:
            self.board.close()


class Board:
    """TensorBoard's event files, written by a thread of their own."""

    def __init__(self, folder: Path, first_step: int, text: str = "") -> None:
        """Figures of `first_step` and later that an interrupted run left are hidden. `text` is shown beside them."""
        from torch.utils.tensorboard.writer import SummaryWriter

        self.writer: Any = SummaryWriter(str(folder), purge_step=first_step if first_step > 1 else None, flush_secs=10)
        if text and first_step <= 1:
            self.writer.add_text("options", text)

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


def validating(measure: Callable[[], float | None], steps: int, context: Context, board: Board | None) -> Action:
    """Measures and tells the validation loss; `measure` gives None where the user stopped it."""

    def validate(done: int) -> None:
        loss = measure()
        if loss is None:
            return
        context.tell(Validated(done, steps, loss))
        if board:
            board.scalars(done, {"loss/validation": loss})

    return validate
