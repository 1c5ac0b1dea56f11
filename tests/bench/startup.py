"""Prints how long the commands take that do nothing new: help pages, and a second run of the example.

    python tests/bench/startup.py [--times 7]

Goals: `curate --help` under 0.3 s where an empty one takes 0.03 s, a second run of the example under 5 s. Each figure
stands beside that of an empty Python program, measured in turn with it. On a machine with other work the seconds of the
CPU say more than those of the clock.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]


def seconds(command: list[str]) -> tuple[float, float]:
    """Seconds by the clock and of the CPU that one call takes; its output is thrown away."""
    before, begun = os.times(), time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=ROOT)
    wall, after = time.perf_counter() - begun, os.times()
    return wall, after.children_user - before.children_user


def compare(name: str, command: list[str], times: int) -> None:
    """One line: medians of the command and of an empty program, by the clock and of the CPU."""
    ours = [seconds(command) for _ in range(times)]
    empty = [seconds([sys.executable, "-c", "pass"]) for _ in range(times)]
    wall, cpu = (statistics.median(column) for column in zip(*ours, strict=True))
    empty_wall, empty_cpu = (statistics.median(column) for column in zip(*empty, strict=True))
    print(f"{name:<28} {wall:6.2f} s {cpu:6.2f} cpu-s   empty program {empty_wall:5.2f} s {empty_cpu:5.2f} cpu-s")


def main() -> None:
    """Runs the example once, then measures."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--times", type=int, default=7)
    times = options.parse_args().times
    curate = [sys.executable, "-m", "curate.cli"]
    for arguments in (["--help"], ["--version"], ["resize", "--help"]):
        compare(" ".join(["curate", *arguments]), [*curate, *arguments], times)
    with tempfile.TemporaryDirectory() as folder:
        run = [
            *curate,
            "run",
            str(ROOT / "pipeline.example.yaml"),
            "--quiet",
            "--set",
            f"output={json.dumps(folder + '/prepared')}",
        ]
        print(f"{'first run of the example':<28} {seconds(run)[0]:6.2f} s")
        compare("second run of the example", run, times)


if __name__ == "__main__":
    main()
