"""Process state: what a run changes for the whole process, entered in one place and put back when the run ends."""

from __future__ import annotations

import contextlib
import logging
import signal
import threading
from collections.abc import Generator
from types import FrameType

from curate.core.events import Listener, Note
from curate.core.garbage import rare_collections


class Stop:
    """Says whether the user asked to stop. What is `interruptible` ends where it is when the user asks."""

    def __init__(self) -> None:
        self._asked = threading.Event()
        self._interruptible = 0

    def __call__(self) -> bool:
        """True once the user asked."""
        return self._asked.is_set()

    def ask(self) -> None:
        """Notes that the user asks. Raises KeyboardInterrupt where the work is interruptible."""
        self._asked.set()
        if self._interruptible:
            raise KeyboardInterrupt

    @contextlib.contextmanager
    def interruptible(self) -> Generator[None]:
        """Around long work that a kill may end too: KeyboardInterrupt anywhere in it, or at its start."""
        self._interruptible += 1
        try:
            if self():
                raise KeyboardInterrupt
            yield
        finally:
            self._interruptible -= 1


@contextlib.contextmanager
def process_state(tell: Listener) -> Generator[Stop]:
    """Signals, logging and garbage collection as a run wants them; yields what says whether the user asked to stop."""
    with stop_signals(tell) as stop, _log_records(tell), rare_collections():
        yield stop


@contextlib.contextmanager
def stop_signals(tell: Listener | None = None) -> Generator[Stop]:
    """The first Ctrl-C or SIGTERM asks to stop after the work in hand, or at once where that is interruptible.

    With `tell` that is announced, and the second one stops at once. Without it (a further process of a launcher) all
    processes stop after the same step. Outside the main thread no signal arrives, and none is handled.
    """
    stop = Stop()

    def handle(number: int, frame: FrameType | None) -> None:
        if stop() and tell is not None:
            raise KeyboardInterrupt
        stop.ask()
        if tell is not None:
            tell(Note("warning", "finishing the current step; press Ctrl-C again to stop immediately"))

    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = {s: signal.signal(s, handle) for s in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, old in before.items():
            signal.signal(number, old)


@contextlib.contextmanager
def interruptible() -> Generator[None]:
    """Around long work that is no part of a run: the first Ctrl-C or SIGTERM ends it at once."""
    with stop_signals(lambda _: None) as stop, stop.interruptible():
        yield


class _NoteHandler(logging.Handler):
    """Turns what taggers, cleaners and executors log, who know nothing of events, into notes."""

    def __init__(self, tell: Listener) -> None:
        super().__init__(logging.WARNING)
        self._tell = tell

    def emit(self, record: logging.LogRecord) -> None:
        self._tell(Note("warning", record.getMessage()))


@contextlib.contextmanager
def _log_records(tell: Listener) -> Generator[None]:
    handler = _NoteHandler(tell)
    loggers = [logging.getLogger(name) for name in ("taggers", "cleaners", "curate.executors")]
    before = [logger.propagate for logger in loggers]
    for logger in loggers:
        logger.addHandler(handler)
        logger.propagate = False
    try:
        yield
    finally:
        for logger, propagate in zip(loggers, before, strict=True):
            logger.removeHandler(handler)
            logger.propagate = propagate
