"""Flusher: new files of a process wait for the disk side by side, while its workers go on to other pictures."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from curate.core.chain import Outcome
from curate.core.file_batch import SIDE_BY_SIDE
from curate.core.new_files import NewFile, discard_all
from curate.executors.worker_process import MAX_WAITING


class Flusher:
    """Gives files their names as soon as they are on the disk. Several threads may add to it.

    At most `MAX_WAITING` pictures wait; whoever adds another one waits too, so that a slow disk slows the work down.
    Flushes that overlap share what the disk does for them: a commit of the journal, or its own cache.
    """

    def __init__(self) -> None:
        self._room = threading.Semaphore(MAX_WAITING)
        self._threads = ThreadPoolExecutor(SIDE_BY_SIDE)  # each is started when it is needed

    def add(self, files: Sequence[NewFile]) -> Future[None]:
        """Starts on the files of a picture. The future is done once they are kept, or has the error of the disk."""
        self._room.acquire()
        future = self._threads.submit(_keep, files)
        future.add_done_callback(lambda _: self._room.release())
        return future

    def close(self) -> None:
        """Waits until all are kept."""
        self._threads.shutdown()


class InOrder:
    """Outcomes whose files wait for the disk, given back in the order in which they came."""

    def __init__(self) -> None:
        self._flusher = Flusher()
        self._waiting: deque[tuple[list[Outcome], list[Future[None]]]] = deque()

    def add(self, outcomes: list[Outcome], files: Sequence[NewFile]) -> None:
        """Takes outcomes, and the files that they name."""
        self._waiting.append((outcomes, [self._flusher.add([file]) for file in files]))

    def ready(self, *, wait: bool) -> Iterator[Outcome]:
        """Those whose files are kept, or all. Raises the error of the disk."""
        while self._waiting and (wait or all(future.done() for future in self._waiting[0][1])):
            outcomes, futures = self._waiting.popleft()
            for future in futures:
                future.result()
            yield from outcomes

    def close(self) -> None:
        """Waits until all are kept."""
        self._flusher.close()


def _keep(files: Sequence[NewFile]) -> None:
    try:
        for file in files:
            file.keep()
    except BaseException:
        discard_all(files)
        raise
