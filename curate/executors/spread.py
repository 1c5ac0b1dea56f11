"""Spread: which chains are spread over cores, over how many, and when processes pay."""

from __future__ import annotations

import os

from curate.core.stage import RecordStage

# measured: above four, what holds the interpreter's lock begins to show; a process of its own costs a second to start
_THREADS = 4

# starting a process costs about as much as preparing sixteen middling pictures
_WORTH = 16


def spreads(stage: RecordStage) -> bool:
    """Whether the stage's work is done on several cores at once."""
    needs = stage.requirements()
    return needs.cpus > 0 and needs.gpus == 0 and needs.batch == 1


def counted(workers: int | str, todo: int) -> int:
    """Workers in processes of their own for `todo` pictures; 0 where threads of this process do.

    `workers` may be "auto".
    """
    count = threads(workers, todo)
    return 0 if count <= 1 or (workers == "auto" and todo < _WORTH) else count


def threads(workers: int | str, todo: int) -> int:
    """Pictures worked on at once."""
    return min(todo, max(1, available_cpus() if workers == "auto" else int(workers)))


def shares(workers: int) -> list[int]:
    """Threads of each process, as even as can be."""
    count = -(-workers // _THREADS)
    return [workers // count + (n < workers % count) for n in range(count)]


def available_cpus() -> int:
    """Cores this process may use."""
    try:
        return len(os.sched_getaffinity(0))  # type: ignore[attr-defined]
    except AttributeError:
        return os.cpu_count() or 1
