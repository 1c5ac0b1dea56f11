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
    """What a record stage needs per worker, and how many records a call takes. Never options: they change no result.

    A stage with `gpus` above 0 gets one worker in the driver's process; others are spread over processes when
    `cpus` is above 0, and run in the driver when it is 0 (work of microseconds).

    `memory` is in bytes, without the stage's model files; executors that place workers on machines go by it. The
    default is enough for a picture of 50 megapixels: converting and resizing one of 24 took 250 MB, one of 108 took
    810 MB, libraries included.
    """

    cpus: int = 1
    gpus: int = 0
    batch: int = 1
    memory: int = 512 << 20
