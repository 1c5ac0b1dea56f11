"""Pool: worker processes between passes, and ahead of the first one, so that loading passes beside other work.

loky and pebble were tried in its place (loky 3.7, pebble 5.2, Python 3.11):

- loky: a killed worker breaks the executor, and every piece in flight or waiting fails alike. The guilty picture must
  still be found one by one. A piece that hangs ends only with the whole executor. The first result takes 0.8 s (a
  process of ours starts and ends in 0.2 s).
- pebble: a killed or hanging worker fails its own piece alone. But a process works on one piece at a time, and ours on
  up to four by threads: four processes load the libraries four times, in time and in memory. An initializer runs once
  for a process, while each pass opens a chain of its own and closes it.

What we would keep beside either is most of this package: in-flight limits, starting ahead, chains opened for a pass.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from curate.executors.parallelism import is_parallel, process_threads, worker_count
from curate.executors.worker_process import WorkerProcess

if TYPE_CHECKING:
    # whoever starts a process early has loaded nothing of this yet
    from curate.core.stage import Stage

_LEDGER = Path(".curate", "ledger.sqlite")  # core.store has it too; loading that would start processes later
_PICTURES = "curate.images.preload"
"""Loads what pictures are read, scaled and written with."""


class Pool:
    """Worker processes that wait for work; none of them holds anything of a pass."""

    def __init__(self) -> None:
        self._idle: list[WorkerProcess] = []

    @property
    def idle_count(self) -> int:
        """Processes that wait."""
        return len(self._idle)

    def start_ahead(
        self, stages: Sequence[Stage], sources: Sequence[Path], ledger: Path | None, workers: int | str
    ) -> None:
        """Starts processes where a run over `sources` will want them: nothing is known yet in the folder `ledger`.

        Ask before loading what the run needs besides: on another core, the processes load theirs meanwhile.
        """
        from curate.core.stage import RecordStage

        parts = [part for stage in stages for part in stage.parts()]
        if any(isinstance(p, RecordStage) and is_parallel(p) for p in parts):
            modules = list(dict.fromkeys(type(p).__module__ for p in parts if isinstance(p, RecordStage)))
            self.start(modules, sources, [ledger] if ledger is not None else [], workers)

    def start(
        self, modules: Sequence[str], sources: Sequence[Path], ledgers: Sequence[Path], workers: int | str
    ) -> None:
        """Starts processes that load what reads pictures, and `modules`; none where some are there, or too little work.

        Where one of the folders `ledgers` has a ledger, all may be known.
        """
        if self._idle or any((folder / _LEDGER).exists() for folder in ledgers):
            return
        if workers != "auto" and not str(workers).isdecimal():  # whoever reads the options says so
            return
        count = worker_count(workers, sum(1 for _ in itertools.islice(_files(sources), 1000)))
        self._idle = [WorkerProcess([_PICTURES, *modules]) for _ in (process_threads(count) if count else ())]

    def acquire(self) -> WorkerProcess:
        """A process that waits, or a new one."""
        while self._idle:
            process = self._idle.pop()
            if process.is_alive():
                return process
        return WorkerProcess()

    def release(self, process: WorkerProcess) -> None:
        """Takes back a process whose pass is done."""
        if process.end_pass():
            self._idle.append(process)
        else:
            process.join()

    def close(self) -> None:
        """Ends the processes that wait."""
        for process in self._idle:
            process.terminate()
        for process in self._idle:
            process.join()
        self._idle.clear()


def _files(folders: Sequence[Path]) -> Iterator[str]:
    return (name for folder in folders for _, _, names in os.walk(folder) for name in names)


POOL = Pool()
"""The processes of this program."""
