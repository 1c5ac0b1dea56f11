"""Worker process: a process of the pool, as its driver sees it and from within; it does one pass after another."""

from __future__ import annotations

import contextlib
import importlib
import multiprocessing
import multiprocessing.connection
import os
import pickle
import signal
import threading
import time
import traceback
from collections.abc import Generator, Sequence
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any

from curate.errors import CurateError
from curate.executors.worker_logs import DriverLogs, WorkerLogs

if TYPE_CHECKING:
    # whoever starts a process early has loaded nothing of this yet
    from curate.core.chain import Outcome, Prepared, Work
    from curate.core.stage import Env


MAX_WAITING = 16
"""Pictures of a process that may wait for the disk."""
_SECONDS = 0.25
"""How long the work takes at most that a process is given for those that wait for the disk."""


class WorkerProcess:
    """A worker process as its driver sees it."""

    def __init__(self, modules: Sequence[str] = ()) -> None:
        """Starts the process, which loads `modules` while no work is there yet."""
        context = multiprocessing.get_context("spawn")
        tasks, self._tasks = context.Pipe(duplex=False)
        self.results, results = context.Pipe(duplex=False)
        self.in_flight: dict[int, Work] = {}
        self._threads = self._results = 0
        self._begun = 0.0
        self._logs: DriverLogs | None = None
        self._process = context.Process(target=_serve, args=(tasks, results, tuple(modules)), daemon=True)
        with _interrupts_held():
            self._process.start()
        # the ends that are the child's: only then is its death the end of the file
        tasks.close()
        results.close()

    def begin_pass(self, chain: Sequence[Prepared], env: Env, threads: int, logs: DriverLogs) -> None:
        """Begins a pass; what the process logs goes to `logs`."""
        self._logs = logs
        self._threads, self._results, self._begun = threads, 0, time.monotonic()
        self._send((tuple(chain), env, threads))

    @property
    def has_room(self) -> bool:
        """Whether it can be given more work: it has two pieces for each thread, and some more for those that wait.

        The driver does not know how many wait for the disk. If none do, the threads work on all it has, and a user who
        stops the run waits for that: so it gets no more than takes `_SECONDS`.
        """
        quick = int(_SECONDS * self._results / (time.monotonic() - self._begun or 1))
        return len(self.in_flight) < 2 * self._threads + min(quick, MAX_WAITING)

    def submit(self, one: Work) -> None:
        """Hands it a piece of work."""
        self.in_flight[one[0]] = one
        self._send(one)

    def result(self) -> Outcome:
        """The next outcome. Raises EOFError where the process died, and whatever error ended it."""
        got = self._received()
        if isinstance(got, BaseException):
            raise got
        del self.in_flight[got.index]
        self._results += 1
        return got

    def end_pass(self) -> bool:
        """Ends the pass; whether the process is there for another."""
        self._send(None)
        try:
            return self._received() is None
        except (EOFError, ConnectionError):
            return False

    def is_alive(self) -> bool:
        """Whether the process runs."""
        return self._process.is_alive()

    def close(self) -> None:
        """Lets the process end once what its threads have in hand is done."""
        self._send(None)
        self._tasks.close()

    def terminate(self) -> None:
        """Ends the process at once, where nobody needs what it is loading."""
        self._process.terminate()
        self.close()

    def join(self) -> None:
        """Waits until the process has ended, and lets go of results that nobody read: it would wait for a reader."""
        with contextlib.suppress(EOFError, OSError):
            while True:
                self.results.recv_bytes()
        self._process.join()

    def _received(self) -> Any:
        """What it says next but for what it logs."""
        while isinstance(got := self.results.recv(), list):
            if self._logs is not None:
                self._logs.log(got)  # type: ignore[reportUnknownArgumentType]
        return got

    def _send(self, message: Any) -> None:
        with contextlib.suppress(ConnectionError):  # it died: reading its results tells
            self._tasks.send(message)


@contextlib.contextmanager
def _interrupts_held() -> Generator[None]:
    """Ctrl-C, which a terminal sends to all, is not for what is started in here, not even while it is still loading."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    from multiprocessing import resource_tracker  # of POSIX alone

    resource_tracker.ensure_running()  # the first start would start it, and let interrupts through again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _serve(tasks: Connection, results: Connection, modules: Sequence[str]) -> None:
    """A worker process: a chain in, then pieces of work, an outcome for each out; and so on for the next pass.

    Ends when its driver closes the pipe, and with an error that concerns the whole run.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # the cores are shared out already; OpenCV reads this when it is first loaded
    os.environ.setdefault("OPENCV_FOR_THREADS_NUM", "1")
    threading.Thread(target=_die_with_parent, daemon=True).start()
    for module in modules:
        with contextlib.suppress(Exception):  # whoever needs it says what is wrong with it
            importlib.import_module(module)
    logs = WorkerLogs()
    try:
        while (job := _next_job(tasks)) and _one_pass(*job, tasks, results, logs):
            results.send(None)
    except Exception as error:
        results.send(sendable(error))


def _next_job(tasks: Connection) -> tuple[tuple[Prepared, ...], Env, int] | None:
    try:
        return tasks.recv()
    except EOFError:
        return None


def _one_pass(
    chain: tuple[Prepared, ...], env: Env, threads: int, tasks: Connection, results: Connection, logs: WorkerLogs
) -> bool:
    """Whether the pass came to its end.

    An error is sent before the threads are stopped, since they wait for work until the driver knows of it.
    """
    from curate.executors.worker_threads import WorkerThreads

    workers = WorkerThreads(chain, iter(tasks.recv, None), env, threads)
    try:
        for outcome in workers:
            _send_logs(logs, results)
            results.send(outcome)
    except BaseException as error:  # libraries in Rust panic with one that is no Exception
        _send_logs(logs, results)
        results.send(sendable(error))
        return False
    finally:
        workers.stop()
    _send_logs(logs, results)  # of what was released
    return True


def _send_logs(logs: WorkerLogs, results: Connection) -> None:
    if records := logs.take():
        results.send(records)


def sendable(error: BaseException) -> Exception:
    """The error, or one that says the same where it cannot travel; with its traceback unless it is one of ours."""
    try:
        pickle.loads(pickle.dumps(error))
        travels = isinstance(error, Exception)
    except Exception:  # pickling runs code of whoever made the error
        travels = False
    if not isinstance(error, Exception) or not travels:
        error = RuntimeError(f"{type(error).__name__}: {error}").with_traceback(error.__traceback__)
    if not isinstance(error, CurateError):
        error.add_note("in a worker process:\n" + "".join(traceback.format_exception(error)))
    return error


def _die_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        multiprocessing.connection.wait([parent.sentinel])
        os._exit(1)
