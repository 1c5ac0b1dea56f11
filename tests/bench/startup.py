"""Prints how long the commands take that do nothing new: `curate --help`, and a second run of the example.

    python tests/bench/startup.py [--times 5]

Goals: the help page under 0.5 s, a second run of the example under 5 s. Each figure stands beside that of an empty
Python program, measured in turn with it: the ratio says more than the seconds.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]


def seconds(command: list[str]) -> float:
    """Wall time of one call; its output is thrown away."""
    begun = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=ROOT)
    return time.perf_counter() - begun


def compare(name: str, command: list[str], times: int) -> None:
    """One line: the median of the command, of an empty program, and their ratio pair by pair."""
    pairs = [(seconds(command), seconds([sys.executable, "-c", "pass"])) for _ in range(times)]
    ours, empty = (statistics.median(column) for column in zip(*pairs, strict=True))
    ratio = statistics.median(a / b for a, b in pairs)
    print(f"{name:<28} {ours:6.2f} s   empty program {empty:5.2f} s   ratio {ratio:5.1f}")


def main() -> None:
    """Runs the example once, then measures."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--times", type=int, default=5)
    times = options.parse_args().times
    curate = [sys.executable, "-m", "curate.cli"]
    compare("curate --help", [*curate, "--help"], times)
    with tempfile.TemporaryDirectory() as folder:
        run = [
            *curate,
            "run",
            str(ROOT / "pipeline.example.yaml"),
            "--quiet",
            "--set",
            f"output={json.dumps(folder + '/prepared')}",
        ]
        print(f"{'first run of the example':<28} {seconds(run):6.2f} s")
        compare("second run of the example", run, times)


if __name__ == "__main__":
    main()
