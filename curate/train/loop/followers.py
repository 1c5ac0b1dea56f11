"""Followers: what takes part in a loop after its steps, to watch it and to write its files."""

from __future__ import annotations

from typing import Protocol

from curate.core.events import TrainStep


class Observer(Protocol):
    """Who watches a run; what it does must not change the run."""

    def record(self, step: TrainStep) -> None:
        """A step's figures, known a step late."""
        ...

    def is_due(self, done: int) -> bool:
        """Whether it has something to do after so many steps."""
        ...

    def observe(self, done: int) -> None:
        """Does it."""
        ...


class Saver(Protocol):
    """Who writes LoRA files of a run."""

    def save_due(self, done: int) -> None:
        """Writes what is due after so many steps, all but the last."""
        ...

    def save_last(self) -> None:
        """Writes the finished LoRA."""
        ...
