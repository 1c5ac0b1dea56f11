"""Processor time and memory of a command, and of each stage of a run: from outside, so that nothing is added to it."""

from __future__ import annotations

import bisect
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

_ENDS = ("Scanned", "StageFinished", "StageRecalled", "RunFinished")
"""Events that end what went before them."""
_EVERY = 0.05


@dataclass(frozen=True)
class Cost:
    """Seconds on the wall and of the processor, and megabytes at the most.

    own     megabytes of the command itself, without the processes that it started; 0 where /proc does not tell
    clock   moments, and the processor time that the command had taken by then
    """

    wall: float
    cpu: float
    memory: float
    own: float = 0
    clock: list[tuple[float, float]] = field(default_factory=list[tuple[float, float]])

    def at(self, moment: float) -> float:
        """The processor time that had been taken at a moment."""
        place = bisect.bisect_left(self.clock, (moment, 0.0))
        if not 0 < place < len(self.clock):
            return self.cpu if place else 0.0
        (before, low), (after, high) = self.clock[place - 1 : place + 1]
        return low + (high - low) * (moment - before) / (after - before)


def cost(*arguments: str) -> Cost:
    """Of a `curate` command in a process of its own."""
    begun = time.perf_counter()
    command = [sys.executable, "-m", "curate.cli", *arguments]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    clock: list[tuple[float, float]] = []
    peak: list[float] = [0]
    ended = threading.Event()
    watcher = threading.Thread(target=_watch, args=(process.pid, ended, clock, peak))
    watcher.start()
    _, status, used = os.wait4(process.pid, 0)
    ended.set()
    watcher.join()
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, command
    total = used.ru_utime + used.ru_stime
    return Cost(time.perf_counter() - begun, total, used.ru_maxrss / 1024, peak[0], clock)


def _watch(pid: int, ended: threading.Event, clock: list[tuple[float, float]], peak: list[float]) -> None:
    """Notes processor time and memory as long as the process lives, on Linux."""
    place, tick = Path(f"/proc/{pid}"), os.sysconf("SC_CLK_TCK")
    while not ended.wait(_EVERY):
        try:
            fields = (place / "stat").read_text().rpartition(")")[2].split()
            status = (place / "status").read_text()
        except OSError:
            return
        clock.append((time.time(), sum(map(int, fields[11:15])) / tick))
        peak[0] = max([peak[0], *(int(line.split()[1]) / 1024 for line in status.splitlines() if "VmHWM" in line)])


def stages(used: Cost, events: Path) -> Iterator[tuple[str, float]]:
    """Processor seconds of each part of the last run that `events` tells of: the scan, its stages, what comes after."""
    lines = [json.loads(line) for line in events.read_text(encoding="utf-8").splitlines()]
    begun = max(number for number, line in enumerate(lines) if line["event"] == "RunStarted")
    spent = 0.0
    for line in lines[begun:]:
        if line["event"] in _ENDS:
            now = used.at(datetime.fromisoformat(line["time"]).timestamp())
            name = {"Scanned": "scan", "RunFinished": "end of the run"}.get(line["event"], line.get("stage", ""))
            yield name, now - spent
            spent = now
    yield "report", used.cpu - spent
