"""Local executors: in the driver's process, or spread over spawned worker processes of several threads each."""

from __future__ import annotations

import contextlib
import multiprocessing.connection
import time
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from curate.core.chain import Outcome, Prepared, Work, open_chain
from curate.core.stage import Env
from curate.executors.flusher import InOrder
from curate.executors.parallelism import is_parallel, process_threads, thread_count, worker_count
from curate.executors.pool import Pool
from curate.executors.worker_logs import DriverLogs
from curate.executors.worker_process import WorkerProcess
from curate.executors.worker_threads import WorkerThreads

_LONG = 0.25
"""Seconds. What takes longer waits for the disk at once, which is little beside it: a kill then costs no more of it."""


class InProcess:
    """Applies the chain in this process, in batches of what its stages ask for, or on several threads one by one."""

    def __init__(self, threads: int = 1) -> None:
        self.threads = threads

    def map(self, chain: Sequence[Prepared], work: Iterable[Work], env: Env) -> Iterator[Outcome]:
        """Yields one outcome for each piece of work, in order if on one thread; ends early once `env` says stop."""
        pending = iter(work)
        if self.threads > 1:
            workers = WorkerThreads(chain, pending, env, self.threads)
            try:
                yield from workers
            finally:
                workers.stop()
            return
        size = max(p.stage.requirements().batch for p in chain)
        following = list(islice(pending, size))
        with env.waiting() as own, open_chain(chain, own) as apply, contextlib.closing(InOrder()) as done:
            while batch := following:
                following = list(islice(pending, size))
                begun = time.monotonic()
                outcomes = apply(batch, following)
                done.add(outcomes, own.take_new_files())
                yield from done.ready(wait=time.monotonic() - begun > _LONG)
                if env.stopping():
                    break
            yield from done.ready(wait=True)


class Processes:
    """Applies the chain in spawned processes; a picture that kills its process is one failure, not the end."""

    def __init__(self, workers: int, pool: Pool | None = None) -> None:
        """Processes come from `pool` and go back to it; without one they live as long as `map`."""
        self.workers = workers
        self.pool = pool
        self._logs = DriverLogs()

    def map(self, chain: Sequence[Prepared], work: Iterable[Work], env: Env) -> Iterator[Outcome]:
        """Yields outcomes as they come; ends early, with the pictures in hand done, once `env` says stop."""
        pending = iter(work)
        suspects: list[Work] = []
        while True:
            yield from self._round(chain, pending, env, self.workers, suspects)
            if not suspects or env.stopping():
                return
            # a process died: those in hand are tried one by one, so that only the guilty one is set aside
            again, suspects = suspects, []
            for one in again:
                dead: list[Work] = []
                yield from self._round(chain, iter([one]), env, 1, dead)
                yield from (
                    Outcome(i, error="the worker process died on this picture (out of memory, or a crash in a decoder)")
                    for i, _ in dead
                )
                if env.stopping():
                    return

    def _round(
        self, chain: Sequence[Prepared], pending: Iterator[Work], env: Env, workers: int, suspects: list[Work]
    ) -> Iterator[Outcome]:
        """Outcomes until the work is done, or until a process died and the others are done with what they had."""
        pool = self.pool or Pool()
        processes: list[WorkerProcess] = []
        try:
            for count in process_threads(workers):
                processes.append(pool.acquire())
                processes[-1].begin_pass(chain, env, count, self._logs)
            while True:
                for process in processes:
                    while not suspects and not env.stopping() and process.has_room and (one := next(pending, None)):
                        process.submit(one)
                waiting = {process.results: process for process in processes if process.in_flight}
                if not waiting:
                    break
                for ready in multiprocessing.connection.wait(list(waiting)):
                    process = waiting[ready]  # type: ignore[index]
                    try:
                        yield process.result()
                    except (EOFError, ConnectionError):
                        suspects.extend(process.in_flight.values())
                        process.in_flight.clear()
            if self.pool is not None:
                while processes:
                    pool.release(processes.pop())
        finally:
            for process in processes:
                process.close()
            for process in processes:
                process.join()


def choose(workers: int | str, chain: Sequence[Prepared], todo: int, pool: Pool | None = None) -> InProcess | Processes:
    """Processes where there is enough work for them, else this process. `workers` is "auto" or a number."""
    if not all(is_parallel(p.stage) for p in chain):
        if pool is not None:
            pool.close()  # what comes now may take long, and memory
        return InProcess()
    if count := worker_count(workers, todo):
        return Processes(count, pool)
    return InProcess(thread_count(workers, todo))
