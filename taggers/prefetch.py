"""Preparing ahead: threads fetch and prepare the next pictures while the device works on the current batch."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

S = TypeVar("S")
P = TypeVar("P")
R = TypeVar("R")


def cores() -> int:
    """Cores this process may use; `ONNX_THREADS` says so where others work beside it."""
    if given := os.environ.get("ONNX_THREADS"):
        return int(given)
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def ahead(
    sources: Iterable[S],
    prepare: Callable[[S], P],
    infer: Callable[[Sequence[P]], list[R]],
    *,
    batch: int,
    threads: int = 0,
) -> Iterator[R | Exception]:
    """Results in the order of the sources; a source whose preparation raises yields its exception in its place.

    At most three batches are held at once. Batches are filled with what prepared well, so that a broken picture
    costs no place in one. What `infer` raises is raised.
    """
    threads = threads or cores()
    with ThreadPoolExecutor(threads, thread_name_prefix="prepare") as pool, ThreadPoolExecutor(1, "device") as device:
        feed = iter(sources)
        waiting: deque[Future[P]] = deque(pool.submit(prepare, s) for s in islice(feed, 2 * batch + threads))
        ready: list[P] = []
        slots: list[Exception | None] = []
        running: tuple[Future[list[R]] | None, list[Exception | None]] | None = None
        while waiting or slots:
            while waiting and len(ready) < batch:
                future = waiting.popleft()
                waiting.extend(pool.submit(prepare, s) for s in islice(feed, 1))
                try:
                    ready.append(future.result())
                    slots.append(None)
                except Exception as error:  # the picture's own fault, told in its place
                    slots.append(error)
            following = (device.submit(infer, ready) if ready else None, slots)
            ready, slots = [], []
            if running is not None:
                yield from _merge(*running)
            running = following
        if running is not None:
            yield from _merge(*running)


def _merge(future: Future[list[R]] | None, slots: list[Exception | None]) -> Iterator[R | Exception]:
    results = iter(future.result() if future is not None else [])
    for slot in slots:
        yield next(results) if slot is None else slot
