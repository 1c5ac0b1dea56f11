"""Local executors: in the driver's process, or spread over spawned worker processes of several threads each."""

from __future__ import annotations

import contextlib
import multiprocessing
import multiprocessing.connection
import os
import pickle
import signal
import threading
import traceback
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from multiprocessing.connection import Connection
from typing import Any

from curate.core.chain import Outcome, Prepared, Work, open_chain
from curate.core.stage import Env
from curate.errors import CurateError
from curate.executors.crew import Crew

# measured: above four, what holds the interpreter's lock begins to show; a process of its own costs a second to start
_THREADS = 4


class InProcess:
    """Applies the chain in this process, in batches of what its stages ask for, or on several threads one by one."""

    def __init__(self, threads: int = 1) -> None:
        self.threads = threads

    def map(self, chain: Sequence[Prepared], work: Iterable[Work], env: Env) -> Iterator[Outcome]:
        """Yields one outcome for each piece of work, in order if on one thread; ends early once `env` says stop."""
        pending = iter(work)
        if self.threads > 1:
            crew = Crew(chain, pending, env, self.threads)
            try:
                yield from crew
            finally:
                crew.end()
            return
        size = max(p.stage.resources.batch for p in chain)
        following = list(islice(pending, size))
        with open_chain(chain, env) as apply:
            while batch := following:
                following = list(islice(pending, size))
                yield from apply(batch, following)
                if env.stopping():
                    return


class Processes:
    """Applies the chain in spawned processes; a picture that kills its process is one failure, not the end."""

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

    @staticmethod
    def _round(
        chain: Sequence[Prepared], pending: Iterator[Work], env: Env, workers: int, suspects: list[Work]
    ) -> Iterator[Outcome]:
        """Outcomes until the work is done, or until a process died and the others are done with what they had."""
        children = [_Child(chain, env, threads) for threads in _shares(workers)]
        try:
            while True:
                for child in children:
                    while not suspects and not env.stopping() and child.hungry and (one := next(pending, None)):
                        child.give(one)
                waiting = {child.results: child for child in children if child.flying}
                if not waiting:
                    return
                for ready in multiprocessing.connection.wait(list(waiting)):
                    child = waiting[ready]  # type: ignore[index]
                    try:
                        yield child.take()
                    except (EOFError, ConnectionError):
                        suspects.extend(child.flying.values())
                        child.flying.clear()
        finally:
            for child in children:
                child.dismiss()
            for child in children:
                child.process.join()


class _Child:
    """A worker process as its driver sees it: two pieces of work for each of its threads in hand, no more."""

    def __init__(self, chain: Sequence[Prepared], env: Env, threads: int) -> None:
        context = multiprocessing.get_context("spawn")
        tasks, self._tasks = context.Pipe(duplex=False)
        self.results, results = context.Pipe(duplex=False)
        self.flying: dict[int, Work] = {}
        self._threads = threads
        self.process = context.Process(target=_serve, args=(tasks, results, tuple(chain), env, threads), daemon=True)
        self.process.start()
        # the ends that are the child's: only then is its death the end of the file
        tasks.close()
        results.close()

    @property
    def hungry(self) -> bool:
        return len(self.flying) < 2 * self._threads

    def give(self, one: Work) -> None:
        self.flying[one[0]] = one
        with contextlib.suppress(ConnectionError):  # it died: reading its results tells
            self._tasks.send(one)

    def take(self) -> Outcome:
        """The next outcome. Raises EOFError where the process died, and whatever error ended it."""
        got: Any = self.results.recv()
        if isinstance(got, BaseException):
            raise got
        del self.flying[got.index]
        return got

    def dismiss(self) -> None:
        """Lets the process end once what its threads have in hand is done."""
        with contextlib.suppress(ConnectionError):
            self._tasks.send(None)
        self._tasks.close()


def _shares(workers: int) -> list[int]:
    """Threads of each process, as even as can be."""
    count = -(-workers // _THREADS)
    return [workers // count + (n < workers % count) for n in range(count)]


def choose(workers: int | str, chain: Sequence[Prepared], todo: int) -> InProcess | Processes:
    """Processes where there is enough work for them, else this process. `workers` is "auto" or a number."""
    spread = all(p.stage.resources.cpus > 0 and p.stage.resources.gpus == 0 and p.stage.resources.batch == 1 for p in chain)
    if workers == 1 or not spread:
        return InProcess()
    count = min(todo, max(1, available_cpus() if workers == "auto" else int(workers)))
    if count <= 1:
        return InProcess()
    # starting a process costs about as much as preparing sixteen middling pictures
    return InProcess(count) if workers == "auto" and todo < 16 else Processes(count)


def available_cpus() -> int:
    """Cores this process may use."""
    try:
        return len(os.sched_getaffinity(0))  # type: ignore[attr-defined]
    except AttributeError:
        return os.cpu_count() or 1


def _serve(tasks: Connection, results: Connection, chain: tuple[Prepared, ...], env: Env, threads: int) -> None:
    """A worker process: pieces of work in, an outcome for each out, and an error that concerns the whole run."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # the cores are shared out already; OpenCV reads this when it is first loaded
    os.environ.setdefault("OPENCV_FOR_THREADS_NUM", "1")
    threading.Thread(target=_die_with_parent, daemon=True).start()
    crew = Crew(chain, iter(tasks.recv, None), env, threads)
    try:
        for outcome in crew:
            results.send(outcome)
    except Exception as error:
        results.send(_sendable(error))
    finally:
        crew.end()


def _sendable(error: Exception) -> Exception:
    """The error, or one that says the same where it cannot travel; with its traceback unless it is one of ours."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:  # pickling runs code of whoever made the error
        error = RuntimeError(f"{type(error).__name__}: {error}").with_traceback(error.__traceback__)
    if not isinstance(error, CurateError):
        error.add_note("in a worker process:\n" + "".join(traceback.format_exception(error)))
    return error


def _die_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        multiprocessing.connection.wait([parent.sentinel])
        os._exit(1)
