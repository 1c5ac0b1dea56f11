"""Gauge: seconds on the wall and of processors, and the memory, of this process and all below it (Linux)."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Gauged:
    """Seconds on the wall and of processors, and samples of memory in MB, 20 a second."""

    wall: float
    cpu: float
    samples: tuple[float, ...]

    @property
    def peak(self) -> float:
        """Most memory at once."""
        return max(self.samples, default=float("nan"))


def gauge(body: Callable[[], object]) -> Gauged:
    """Carries out `body`; a process of its own watches the memory, and is not counted."""
    watch = subprocess.Popen(
        [sys.executable, "-S", __file__, str(os.getpid())], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert watch.stdout is not None
    watch.stdout.readline()  # it has begun
    cpu, begun = _processor_seconds(watch.pid), time.perf_counter()
    body()
    wall, cpu = time.perf_counter() - begun, _processor_seconds(watch.pid) - cpu
    said, _ = watch.communicate("")
    return Gauged(wall, cpu, tuple(map(float, said.split())))


def _family(root: int, without: int) -> list[int]:
    parents: dict[int, int] = {}
    for entry in Path("/proc").glob("[0-9]*"):
        if fields := _fields(int(entry.name)):
            parents[int(entry.name)] = int(fields[1])
    found = [root]
    for pid in found:
        found.extend(child for child, parent in parents.items() if parent == pid and child != without)
    return found


def _fields(pid: int) -> list[str]:
    """/proc/PID/stat from the third field on; none where the process is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def _processor_seconds(without: int) -> float:
    """Of this process, those below it, and those that have been."""
    ticks = sum(int(f) for pid in _family(os.getpid(), without) for f in _fields(pid)[11:15])
    return ticks / os.sysconf("SC_CLK_TCK")


def _megabytes(pid: int) -> float:
    """Memory of a process, what it shares with others divided among them."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024
    except (OSError, StopIteration):
        return 0.0


def _watch(root: int) -> None:
    """Prints samples until standard input is closed."""
    import select

    print(flush=True)
    while not select.select([sys.stdin], [], [], 0.05)[0]:
        print(round(sum(map(_megabytes, _family(root, os.getpid()))), 1))


if __name__ == "__main__":
    _watch(int(sys.argv[1]))
