"""Worker threads: threads of one process that apply a chain, each with the chain opened for itself."""

from __future__ import annotations

import functools
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from queue import SimpleQueue

from curate.core.chain import Outcome, Prepared, Work, open_chain
from curate.core.stage import Env
from curate.executors.flusher import Flusher


class WorkerThreads:
    """Takes work piece by piece and gives outcomes as they come.

    Decoders, resamplers and encoders let go of the interpreter's lock, so that threads fill the cores. What is held in
    memory belongs to the thread that holds it. While a picture's files wait for the disk, its thread goes on.
    """

    def __init__(self, chain: Sequence[Prepared], work: Iterator[Work], env: Env, threads: int) -> None:
        """Begins at once. `work` is only ever advanced by one thread at a time, and not after `stop`."""
        self._chain, self._pending, self._env = chain, work, env
        self._done: SimpleQueue[list[Outcome] | BaseException | None] = SimpleQueue()
        self._flusher = Flusher()
        self._taking = threading.Lock()
        self._stopped = threading.Event()
        self._threads = [threading.Thread(target=self._work_through, daemon=True) for _ in range(threads)]
        for thread in self._threads:
            thread.start()

    def __iter__(self) -> Iterator[Outcome]:
        """Outcomes until the work is done, `env` says stop, or an error that concerns the whole run is raised."""
        working = len(self._threads)
        while working or not self._done.empty():
            got = self._done.get()
            if got is None:
                working -= 1
                if not working:
                    self._flusher.close()
            elif isinstance(got, BaseException):
                raise got
            else:
                yield from got

    def stop(self) -> None:
        """Takes no more work, and waits for what is in hand."""
        self._stopped.set()
        for thread in self._threads:
            thread.join()
        self._flusher.close()

    def _work_through(self) -> None:
        try:
            with self._env.waiting() as env, open_chain(self._chain, env) as apply:
                while (one := self._next()) is not None:
                    outcomes, files = apply([one]), env.take_new_files()
                    if files:
                        kept = self._flusher.add(files)
                        kept.add_done_callback(functools.partial(self._tell, outcomes))
                    else:
                        self._done.put(outcomes)
        except BaseException as error:  # raised again by whoever reads the outcomes
            self._done.put(error)
        finally:
            self._done.put(None)

    def _tell(self, outcomes: list[Outcome], kept: Future[None]) -> None:
        self._done.put(kept.exception() or outcomes)

    def _next(self) -> Work | None:
        with self._taking:
            return None if self._stopped.is_set() or self._env.stopping() else next(self._pending, None)
