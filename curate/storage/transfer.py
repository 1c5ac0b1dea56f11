"""Transfer: many objects at a time, in threads."""

from __future__ import annotations

import contextlib
import math
import os
import time
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from typing import TypeVar

from curate.core.files import write_atomic
from curate.errors import interruption
from curate.storage.address import Location
from curate.storage.listing import StoredObject

T = TypeVar("T")
AT_ONCE = 16
"""Objects that travel at the same time: what hides a store's delay without crowding a small network."""
PATIENCE = 5.0
"""Seconds that a store has to finish what is under way once the user wants to stop."""


def each(
    work: Iterable[T], do: Callable[[T], None], stopping: Callable[[], bool], patience: float = PATIENCE
) -> Iterator[tuple[T, Exception | None]]:
    """Does something with each, several at a time; yields each with what it raised, as they are done.

    Raises Interrupted once `stopping` says so: what is under way is finished before, unless the store takes too long.
    """
    rest, running, end = iter(work), 0, math.inf
    todo: SimpleQueue[T | None] = SimpleQueue()
    done: SimpleQueue[tuple[T, BaseException | None]] = SimpleQueue()
    # what a store never answers must not keep the command alive, as threads of an executor would
    threads: list[Thread] = []
    try:
        while time.monotonic() < end:
            if end == math.inf and stopping():
                end, running = time.monotonic() + patience, running - _drop(todo)
            for one in islice(rest, 2 * AT_ONCE - running if end == math.inf else 0):
                todo.put(one)
                running += 1
                if len(threads) < AT_ONCE:
                    threads.append(Thread(target=_serve, args=(do, todo, done), name="transfer", daemon=True))
                    threads[-1].start()
            if not running:
                break
            with contextlib.suppress(Empty):
                one, error = done.get(timeout=0.2)
                running -= 1
                if error is not None and not isinstance(error, Exception):
                    raise error
                yield one, error
    finally:
        _end(threads, todo, min(end, time.monotonic() + patience))
    if stopping():
        raise interruption()


def _serve(
    do: Callable[[T], None], todo: SimpleQueue[T | None], done: SimpleQueue[tuple[T, BaseException | None]]
) -> None:
    while (one := todo.get()) is not None:
        try:
            do(one)
            done.put((one, None))
        except BaseException as error:
            done.put((one, error))


def _drop(todo: SimpleQueue[T | None]) -> int:
    """Takes out what nobody has begun; how many that were."""
    dropped = 0
    with contextlib.suppress(Empty):
        while True:
            todo.get_nowait()
            dropped += 1
    return dropped


def _end(threads: list[Thread], todo: SimpleQueue[T | None], end: float) -> None:
    """Ends the threads; waits for what they are at until the moment `end`."""
    _drop(todo)
    for _ in threads:
        todo.put(None)
    for thread in threads:
        thread.join(max(0.0, end - time.monotonic()))


class _StoreFault(Exception):  # noqa: N818 – carries another
    """What a store raised, on its way past what is said of faults of this disk."""

    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        self.error = error


def fetch_object(location: Location, one: StoredObject, file: Path, time_ns: int) -> None:
    """Copies an object to a file whose time is `time_ns`, never half of it. Raises what the backend raises."""

    def write(temporary: Path) -> None:
        try:
            location.file_system.get_file(location.path(one.name), str(temporary))
        except Exception as error:
            raise _StoreFault(error) from error
        size = temporary.stat().st_size
        if size != one.size:
            raise _StoreFault(OSError(f"{size:,} bytes came instead of {one.size:,}"))
        os.utime(temporary, ns=(time_ns, time_ns))

    try:
        write_atomic(file, write, sync=False)
    except _StoreFault as fault:
        raise fault.error from None
