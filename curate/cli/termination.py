"""Termination: SIGTERM ends a command as Ctrl-C does, so that scratch folders and processes of its own end with it."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Generator


@contextlib.contextmanager
def termination_as_interrupt() -> Generator[None]:
    """SIGTERM raises KeyboardInterrupt in this block, where nothing else handles it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
