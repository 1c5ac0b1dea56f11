"""Prints what a Ray cluster costs beside worker processes of this machine: the same run with both executors, in turns.

    python tests/bench/ray_overhead.py [--pictures 1000] [--times 3] [--cores 2]

Draws photos of 1600×1200 pixels once, then runs convert and resize over them: locally with a worker for each core, and
on a Ray cluster of one node that declares as many, started before the clock. Each run starts with an empty output
folder. Printed are the seconds of the command, of the pass by its events, and of the processor, which a busy machine
does not stretch: of all processes that are descended from this one, Ray's own too. Goal: under 10 % more with Ray.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Self

import numpy as np
import psutil
from PIL import Image, ImageFilter

PIPELINE = """\
input: in
output: out
stages:
  - convert
  - resize: {max_side: 1024}
"""


def photo(number: int, path: Path) -> None:
    """Soft shapes with the grain of a sensor: as costly to decode, scale and encode as a photo."""
    draw = np.random.default_rng(number)
    small = Image.fromarray(draw.integers(0, 256, (12, 16, 3), np.uint8))
    soft = np.asarray(small.resize((1600, 1200), Image.Resampling.BICUBIC).filter(ImageFilter.GaussianBlur(3)))
    grain = draw.normal(0, 4, (1200, 1600, 1))
    Image.fromarray(np.clip(soft + grain, 0, 255).astype(np.uint8)).save(path, quality=90)


class Processors:
    """Sums the processor seconds of everything that is descended from this process, also of what ends meanwhile."""

    def __init__(self) -> None:
        self._seconds: dict[tuple[int, float], float] = {}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> Self:
        self._look()
        self._before = self.total
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()
        self._look()

    @property
    def total(self) -> float:
        return sum(self._seconds.values())

    @property
    def spent(self) -> float:
        return self.total - self._before

    def _watch(self) -> None:
        while not self._ended.wait(0.1):
            self._look()

    def _look(self) -> None:
        for process in psutil.Process().children(recursive=True):
            with contextlib.suppress(psutil.Error):
                times = process.cpu_times()
                self._seconds[process.pid, process.create_time()] = times.user + times.system


def seconds(folder: Path, settings: list[str]) -> tuple[float, float, float]:
    """Of the command, of the pass, and of the processor."""
    shutil.rmtree(folder / "out", ignore_errors=True)
    command = [sys.executable, "-m", "curate.cli", "run", "--quiet", str(folder / "pipeline.yaml"), *settings]
    begun = time.perf_counter()
    with Processors() as processors:
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    whole = time.perf_counter() - begun
    rows = map(json.loads, (folder / "out/.curate/events.jsonl").read_text(encoding="utf-8").splitlines())
    computed = next(row["seconds"] for row in rows if row["event"] == "StageFinished")
    return whole, computed, processors.spent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=int, default=1000)
    parser.add_argument("--times", type=int, default=3)
    parser.add_argument("--cores", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--keep", type=Path, help="work in this folder and leave the photos there")
    given = parser.parse_args()
    from ray.cluster_utils import Cluster

    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_worker_niceness", "0")  # 15 by itself: other work on the machine would slow Ray alone
    with tempfile.TemporaryDirectory() as temporary:
        folder = given.keep or Path(temporary)
        photos = folder / "in/dog"
        photos.mkdir(parents=True, exist_ok=True)
        for number in range(len(list(photos.iterdir())), given.pictures):
            photo(number, photos / f"{number:06}.jpg")
        (folder / "pipeline.yaml").write_text(PIPELINE, encoding="utf-8")
        head = {"num_cpus": given.cores, "include_dashboard": False, "object_store_memory": 200_000_000}
        cluster = Cluster(initialize_head=True, head_node_args=head)
        executors = {
            "local": [f"run.workers={given.cores}"],
            "ray": ["run.executor=ray", f"run.address={cluster.address}"],
        }
        taken: dict[str, list[tuple[float, float, float]]] = {name: [] for name in executors}
        for _ in range(given.times):
            for name, settings in executors.items():
                words = [word for setting in settings for word in ("--set", setting)]
                taken[name].append(seconds(folder, words))
                whole, computed, processor = taken[name][-1]
                print(f"{name}: {whole:.1f} s, the pass {computed:.1f} s, processor {processor:.1f} s", flush=True)
        cluster.shutdown()
    print(f"{given.pictures:,} pictures on {given.cores} cores, median of {given.times}:")
    for at, what in enumerate(("the command", "the pass", "the processor")):
        local, ray = (statistics.median(row[at] for row in taken[name]) for name in executors)
        print(f"{what}: local {local:.1f} s, Ray {ray:.1f} s: {ray / local - 1:+.1%}")


if __name__ == "__main__":
    main()
