"""Parallelism: which chains are spread over cores, over how many, and when processes pay."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from curate.core.stage import RecordStage

# measured: above four, what holds the interpreter's lock begins to show; a process of its own costs a second to start
_THREADS_PER_PROCESS = 4

# starting a process costs about as much as preparing sixteen middling pictures
_PICTURES_PER_START = 16


def is_parallel(stage: RecordStage) -> bool:
    """Whether the stage's work is done on several cores at once."""
    needs = stage.requirements()
    return needs.cpus > 0 and needs.gpus == 0 and needs.batch == 1


def worker_count(workers: int | str, todo: int) -> int:
    """Workers in processes of their own for `todo` pictures; 0 where threads of this process do.

    `workers` may be "auto".
    """
    count = thread_count(workers, todo)
    return 0 if count <= 1 or (workers == "auto" and todo < _PICTURES_PER_START) else count


def thread_count(workers: int | str, todo: int) -> int:
    """Pictures worked on at once."""
    return min(todo, max(1, available_cpus() if workers == "auto" else int(workers)))


def process_threads(workers: int) -> list[int]:
    """Threads of each process, as even as can be."""
    count = -(-workers // _THREADS_PER_PROCESS)
    return [workers // count + (n < workers % count) for n in range(count)]


def available_cpus() -> int:
    """Cores this process may use."""
    try:
        return len(os.sched_getaffinity(0))  # type: ignore[attr-defined]
    except AttributeError:
        return os.cpu_count() or 1
