"""Prints what a Ray cluster costs beside worker processes of this machine: the same run with both executors, in turns.

    python tests/bench/ray_overhead.py [--pictures 1000] [--times 3] [--cores 2]

Draws photos of 1600×1200 pixels once, then runs convert and resize over them: locally with a worker for each core, and
on a Ray cluster of one node that declares as many, started before the clock. Each run starts with an empty output
folder. Printed are the seconds of the command, of the pass by its events, and of the processor, which a busy machine
does not stretch: of all processes that are descended from this one, Ray's own too. Goal: under 10 % more with Ray.

Each turn also runs over the first 20 photos alone. What that takes tells the start of a run from what each photo costs.
10,000 photos need 5 GB of disk, and on 2 idle cores about 5 minutes to be drawn and 4 minutes for each run.
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
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import psutil
from PIL import Image, ImageFilter

PIPELINE = """\
input: in
output: out
stages:
  - convert: {format: jpeg}
  - resize: {max_side: 1024}
"""


FEW = 20
"""Photos of the short run."""


class Photos:
    """Soft shapes with the grain of a sensor: as costly to decode, scale and encode as photos, and quickly drawn."""

    def __init__(self) -> None:
        draw = np.random.default_rng(0)
        small = (Image.fromarray(draw.integers(0, 256, (12, 16, 3), np.uint8)) for _ in range(16))
        large = (one.resize((1600, 1200), Image.Resampling.BICUBIC) for one in small)
        self._soft = [np.asarray(one.filter(ImageFilter.GaussianBlur(3))).astype(np.int16) for one in large]
        self._grain = draw.normal(0, 3, (1200, 1600, 1)).astype(np.int16)

    def draw(self, number: int, path: Path) -> None:
        """A photo that no other number gives."""
        grain = np.roll(self._grain, (number, 7 * number), (0, 1))
        pixels = np.clip(self._soft[number % len(self._soft)] + grain, 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(path, quality=85)


def draw_photos(folder: Path, count: int, cores: int) -> None:
    """Draws what is not there yet."""
    folder.mkdir(parents=True, exist_ok=True)
    photos = Photos()
    missing = [(n, path) for n in range(count) if not (path := folder / f"{n:06}.jpg").exists()]
    with ThreadPoolExecutor(cores) as threads:
        for _ in threads.map(lambda one: photos.draw(*one), missing):
            pass


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


@dataclass(frozen=True)
class Cost:
    """Seconds of the command, of the pass by its events, and of the processor."""

    command: float
    one_pass: float
    processor: float


def cost(folder: Path, settings: list[str]) -> Cost:
    """What a run costs that starts with an empty output folder."""
    shutil.rmtree(folder / "out", ignore_errors=True)
    words = [word for setting in settings for word in ("--set", setting)]
    command = [sys.executable, "-m", "curate.cli", "run", "--quiet", str(folder / "pipeline.yaml"), *words]
    begun = time.perf_counter()
    with Processors() as processors:
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    whole = time.perf_counter() - begun
    rows = map(json.loads, (folder / "out/.curate/events.jsonl").read_text(encoding="utf-8").splitlines())
    one_pass = next(row["seconds"] for row in rows if row["event"] == "StageFinished")
    shutil.rmtree(folder / "out", ignore_errors=True)
    return Cost(whole, one_pass, processors.spent)


def prepare(folder: Path, photos: list[Path]) -> Path:
    """A pipeline over hard links to the photos."""
    (folder / "in/dog").mkdir(parents=True, exist_ok=True)
    for photo in photos:
        if not (link := folder / "in/dog" / photo.name).exists():
            os.link(photo, link)
    (folder / "pipeline.yaml").write_text(PIPELINE, encoding="utf-8")
    return folder


def measure(whole: Path, part: Path, executors: dict[str, list[str]], times: int) -> dict[str, list[tuple[Cost, Cost]]]:
    """Of each executor, what runs over all photos and over a few of them cost; in turns."""
    taken: dict[str, list[tuple[Cost, Cost]]] = {name: [] for name in executors}
    for _ in range(times):
        for name, settings in executors.items():
            few, one = cost(part, settings), cost(whole, settings)
            taken[name].append((few, one))
            print(
                f"{name}: {one.command:.1f} s, the pass {one.one_pass:.1f} s, processor {one.processor:.1f} s; "
                f"a few photos: {few.command:.1f} s, processor {few.processor:.1f} s",
                flush=True,
            )
    return taken


def report(taken: dict[str, list[tuple[Cost, Cost]]], few: int, pictures: int) -> None:
    """Medians of both executors: the whole run, and it divided into its start and what each photo costs."""
    for what in ("command", "one_pass", "processor"):
        rows: dict[str, tuple[float, float, float]] = {}
        for name, turns in taken.items():
            part, whole = (statistics.median(getattr(turn[at], what) for turn in turns) for at in (0, 1))
            each = (whole - part) / (pictures - few)
            rows[name] = (whole, each, part - few * each)
        (local, each_local, start_local), (ray, each_ray, start_ray) = rows["local"], rows["ray"]
        print(f"{what.replace('_', ' ')}: local {local:.1f} s, Ray {ray:.1f} s: {ray / local - 1:+.1%}")
        print(
            f"  each photo: local {each_local * 1e3:.1f} ms, Ray {each_ray * 1e3:.1f} ms: "
            f"{each_ray / each_local - 1:+.1%}; the start: local {start_local:.1f} s, Ray {start_ray:.1f} s"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=1000)
    parser.add_argument("--times", type=int, default=3)
    parser.add_argument("--cores", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--keep", type=Path, help="work in this folder and leave the photos there")
    given = parser.parse_args()
    if given.pictures <= FEW:
        parser.error(f"--pictures must be more than {FEW}")
    from ray.cluster_utils import Cluster

    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_worker_niceness", "0")  # 15 by itself: other work on the machine would slow Ray alone
    with tempfile.TemporaryDirectory() as temporary:
        folder = given.keep or Path(temporary)
        draw_photos(folder / "photos", given.pictures, given.cores)
        photos = sorted((folder / "photos").iterdir())[: given.pictures]
        whole, part = prepare(folder / "all", photos), prepare(folder / "few", photos[:FEW])
        head = {"num_cpus": given.cores, "include_dashboard": False, "object_store_memory": 200_000_000}
        cluster = Cluster(initialize_head=True, head_node_args=head)
        executors = {
            "local": [f"run.workers={given.cores}"],
            "ray": ["run.executor=ray", f"run.address={cluster.address}"],
        }
        taken = measure(whole, part, executors, given.times)
        cluster.shutdown()
    print(f"{given.pictures:,} pictures on {given.cores} cores, median of {given.times}:")
    report(taken, FEW, given.pictures)


if __name__ == "__main__":
    main()
