"""Worker: what a record stage opens to process records, and what it needs for that."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from curate.core.record import Record

Worker = Callable[[Sequence[Record]], Sequence[Record]]


class PreloadingWorker(ABC):
    """A worker that can read ahead, so that its device does not wait for pictures."""

    @abstractmethod
    def __call__(self, records: Sequence[Record]) -> Sequence[Record]:
        """What every worker does."""

    @abstractmethod
    def preload(self, records: Sequence[Record]) -> None:
        """Starts on the records of the next call and returns at once. That call may never come."""


@dataclass(frozen=True, slots=True)
class Resources:
    """What a record stage needs: cores and GPUs per worker, records per call. Never options: they change no result.

    A stage with `gpus` above 0 gets one worker in the driver's process; others are spread over processes when
    `cpus` is above 0, and run in the driver when it is 0 (work of microseconds).
    """

    cpus: int = 1
    gpus: int = 0
    batch: int = 1
