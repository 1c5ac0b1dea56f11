"""Transfer: many objects at a time, in threads."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from itertools import islice
from pathlib import Path
from typing import TypeVar

from curate.core.files import write_atomic
from curate.errors import interruption
from curate.storage.address import Location
from curate.storage.listing import StoredObject

T = TypeVar("T")
AT_ONCE = 16
"""Objects that travel at the same time: what hides a store's delay without crowding a small network."""


def each(
    work: Iterable[T], do: Callable[[T], None], stopping: Callable[[], bool]
) -> Iterator[tuple[T, Exception | None]]:
    """Does something with each, several at a time; yields each with what it raised, as they are done.

    Raises Interrupted once `stopping` says so: what is under way is finished before.
    """
    rest = iter(work)
    with ThreadPoolExecutor(AT_ONCE, "transfer") as threads:
        running: dict[Future[None], T] = {}
        while True:
            for one in islice(rest, 0 if stopping() else 2 * AT_ONCE - len(running)):
                running[threads.submit(do, one)] = one
            if not running:
                break
            done, _ = wait(running, timeout=0.2, return_when=FIRST_COMPLETED)
            for future in done:
                error = future.exception()
                if error is not None and not isinstance(error, Exception):
                    raise error
                yield running.pop(future), error
    if stopping():
        raise interruption()


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
