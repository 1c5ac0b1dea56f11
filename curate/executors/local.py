"""Local executors: in the driver's process, or spread over spawned worker processes."""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
import os
import signal
import threading
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack
from itertools import islice

from curate.core.chain import Applied, Outcome, Prepared, Work, open_chain
from curate.core.stage import Env


class InProcess:
    """Applies the chain in this process, in batches of what its stages ask for."""

    def map(self, chain: Sequence[Prepared], work: Iterable[Work], env: Env) -> Iterator[Outcome]:
        """Yields one outcome for each piece of work, in order; ends early once `env` says stop."""
        size = max(p.stage.resources.batch for p in chain)
        pending = iter(work)
        following = list(islice(pending, size))
        with open_chain(chain, env) as apply:
            while batch := following:
                following = list(islice(pending, size))
                yield from apply(batch, following)
                if env.stopping():
                    return


class Processes:
    """Applies the chain in spawned processes; a picture that kills its worker is one failure, not the end."""

    def __init__(self, workers: int) -> None:
        self.workers = workers

    def map(self, chain: Sequence[Prepared], work: Iterable[Work], env: Env) -> Iterator[Outcome]:
        """Yields outcomes as they come; ends early, with the pictures in hand done, once `env` says stop."""
        pending = iter(work)
        suspects: list[Work] = []
        while True:
            yield from self._round(chain, pending, env, self.workers, suspects)
            if not suspects or env.stopping():
                return
            # a worker died: those in hand are tried one by one, so that only the guilty one is set aside
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
        context = multiprocessing.get_context("spawn")
        flying: dict[Future[list[Outcome]], Work] = {}
        with ProcessPoolExecutor(workers, context, _start, (tuple(chain), env)) as pool:
            try:
                while True:
                    if not env.stopping():
                        for one in islice(pending, 2 * workers - len(flying)):
                            try:
                                flying[pool.submit(_work, one)] = one
                            except BrokenProcessPool:
                                suspects.append(one)
                                raise
                    if not flying:
                        return
                    for future in wait(flying, return_when=FIRST_COMPLETED).done:
                        yield from future.result()
                        del flying[future]
            except BrokenProcessPool:
                suspects.extend(flying.values())
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise


def choose(workers: int | str, chain: Sequence[Prepared], todo: int) -> InProcess | Processes:
    """Processes where there is enough work for them, else this process. `workers` is "auto" or a number."""
    if workers != 1 and all(p.stage.resources.cpus > 0 and p.stage.resources.gpus == 0 for p in chain):
        # a spawned worker takes about as long to start as eight middling pictures take to prepare
        most = max(1, (available_cpus() if workers == "auto" else int(workers)))
        count = min(most, todo // 8 if workers == "auto" else todo)
        if count > 1:
            return Processes(count)
    return InProcess()


def available_cpus() -> int:
    """Cores this process may use."""
    try:
        return len(os.sched_getaffinity(0))  # type: ignore[attr-defined]
    except AttributeError:
        return os.cpu_count() or 1


class _Worker:
    """What one worker process holds: the opened chain, or why it could not be opened."""

    stack = ExitStack()
    apply: Applied | None = None
    failed: Exception | None = None


def _start(chain: tuple[Prepared, ...], env: Env) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_die_with_parent, daemon=True).start()
    try:
        _Worker.apply = _Worker.stack.enter_context(open_chain(chain, env))
    except Exception as error:  # raised in `_work`: an initializer that raises would only break the pool
        _Worker.failed = error


def _work(one: Work) -> list[Outcome]:
    if _Worker.failed is not None:
        raise _Worker.failed
    assert _Worker.apply is not None
    return _Worker.apply([one])


def _die_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        multiprocessing.connection.wait([parent.sentinel])
        os._exit(1)
