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
from curate.storage.errors import Replaced, StoreFault
from curate.storage.listing import StoredObject, version_of
from curate.storage.waiting import Silence, pieces

T = TypeVar("T")
AT_ONCE = 16
"""Objects that travel at the same time: what hides a store's delay without crowding a small network."""
PATIENCE = 5.0
"""Seconds that a store has to finish what is under way once the user wants to stop."""


def each(
    work: Iterable[T],
    do: Callable[[T], None],
    stopping: Callable[[], bool],
    silence: Silence,
    patience: float = PATIENCE,
) -> Iterator[tuple[T, Exception | None]]:
    """Does something with each, several at a time; yields each with what it raised, as they are done.

    A store of which nothing is heard meanwhile, in `do` either, is told of by `silence`.
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
            try:
                one, error = done.get(timeout=0.2)
            except Empty:
                silence.check()
                continue
            running -= 1
            if error is not None and not isinstance(error, Exception):
                raise error
            yield one, error
            silence.ended()
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


def fetch_object(
    location: Location, one: StoredObject, file: Path, time_ns: int, silence: Silence | None = None
) -> None:
    """Copies an object to a file whose time is `time_ns`, never half of it.

    Each piece that comes ends the `silence`. Raises Replaced where the object is not the one that was listed, and what
    the backend raises.
    """
    path = location.path(one.name)

    def write(temporary: Path) -> None:
        try:
            location.file_system.get_file(path, str(temporary), callback=pieces(silence))
            size = temporary.stat().st_size
            if size != one.size and version_of(location.file_system.info(path)) != one.version:
                raise Replaced
        except Exception as error:
            raise StoreFault(error) from error
        if size != one.size:
            raise StoreFault(OSError(f"{size:,} bytes came instead of {one.size:,}"))
        os.utime(temporary, ns=(time_ns, time_ns))

    try:
        write_atomic(file, write, sync=False)
    except StoreFault as fault:
        raise fault.error from None
