"""Prints how fast and in how much memory pictures are prepared, beside a Pillow loop, an OpenCV loop and libvips.

Run from the repository's root: `python tests/bench/pictures.py [FOLDER] [--times 6] [--workers 2]`.
All write PNG at zlib level 1, the longest side at most 1024; "ours, png" is the default encoder besides.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

sys.path.insert(0, str(Path(__file__).parents[2]))

import cv2
import numpy as np
from PIL import Image as Pil

from curate.core.chain import Encode, Prepared
from curate.core.record import Image, Record
from curate.core.stage import Env, RecordStage, Worker
from curate.executors.local import InProcess, Processes
from curate.images import DOOR
from curate.stages.convert import Convert
from curate.stages.resize import Resize

SIDE = 1024
PHOTOS = Path(__file__).parents[2].parent / "shared" / "data" / "photos"


class Memory:
    """Samples the proportional memory of this process and its children, every 20 ms (Linux)."""

    def __init__(self) -> None:
        self.samples: list[float] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Memory:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    @property
    def peak(self) -> float:
        return max(self.samples, default=float("nan"))

    def _watch(self) -> None:
        while not self._stop.wait(0.02):
            self.samples.append(sum(map(_megabytes, _family(os.getpid()))))


def _family(root: int) -> list[int]:
    parents: dict[int, int] = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = entry.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        parents[int(entry.parent.name)] = int(fields[1])
    found = [root]
    for pid in found:
        found.extend(child for child, parent in parents.items() if parent == pid)
    return found


def _megabytes(pid: int) -> float:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024
    except (OSError, StopIteration):
        return 0.0


class Differ(RecordStage):
    """Changes one pixel by the record's number, so that each copy of a file is a picture of its own to the ledger."""

    reads: ClassVar[frozenset[str]] = frozenset({"image"})
    writes: ClassVar[frozenset[str]] = frozenset({"image"})

    @contextmanager
    def open(self, env: Env) -> Generator[Worker]:
        def one(record: Record) -> Record:
            pixels = env.pixels(record).copy()
            pixels[0, 0] = int(record.key) % 251
            pixels[0, 1] = int(record.key) // 251
            return env.keep(record, pixels)

        yield lambda records: [one(r) for r in records]


def ours(files: Sequence[Path], out: Path, workers: int, *stages: RecordStage) -> None:
    env = Env(root=out, output=out, door=DOOR)
    chain = [Prepared(stage, str(i)) for i, stage in enumerate([*stages, Differ(), Encode()])]
    work = ((i, Record(f"{i}", "x", "", Image(str(i), str(path)))) for i, path in enumerate(files))
    executor = Processes(workers) if workers > 1 else InProcess()
    for outcome in executor.map(chain, work, env):
        assert not outcome.error, outcome.error


def pillow_loop(files: Sequence[Path], out: Path) -> None:
    for i, path in enumerate(files):
        with Pil.open(path) as image:
            small = image.convert("RGB")
        small.thumbnail((SIDE, SIDE), Pil.Resampling.LANCZOS)
        small.save(out / f"{i}.png", compress_level=1)


def opencv_loop(files: Sequence[Path], out: Path) -> None:
    cv2.setNumThreads(1)
    settings = [cv2.IMWRITE_PNG_COMPRESSION, 1]
    if hasattr(cv2, "IMWRITE_PNG_FILTER"):
        settings += [cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_UP]

    def one(item: tuple[int, Path]) -> None:
        image = cv2.imread(str(item[1]))
        height, width = image.shape[:2]
        factor = SIDE / max(height, width)
        if factor < 1:
            image = cv2.resize(image, (round(width * factor), round(height * factor)), interpolation=cv2.INTER_AREA)
        cv2.imwrite(str(out / f"{item[0]}.png"), image, settings)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(one, enumerate(files)))


def vips_loop(files: Sequence[Path], out: Path) -> None:
    import pyvips

    def one(item: tuple[int, Path]) -> None:
        image = pyvips.Image.thumbnail(str(item[1]), SIDE, height=SIDE, size="down", output_profile="srgb")
        image.pngsave(str(out / f"{item[0]}.png"), compression=1, filter="up", keep="none")

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(one, enumerate(files)))


@contextmanager
def folder() -> Generator[Path]:
    with tempfile.TemporaryDirectory() as made:
        yield Path(made)


def measure(name: str, pictures: int, body: Callable[[Path], None]) -> float:
    with folder() as out, Memory() as memory:
        cpu = _cpu_seconds()
        begun = time.perf_counter()
        body(out)
        seconds = time.perf_counter() - begun
        cpu = _cpu_seconds() - cpu
        written = sum(p.stat().st_size for p in out.rglob("*.png"))
    rate = pictures / seconds
    print(
        f"{name:34} {seconds:7.2f} s {rate:8.1f}/s {cpu:7.2f} cpu-s {written / 2**20:8.1f} MiB out {memory.peak:7.0f} MB peak"
    )
    return rate


def _cpu_seconds() -> float:
    t = os.times()
    return t.user + t.system + t.children_user + t.children_system


def speed(files: Sequence[Path], times: int, workers: int) -> None:
    print(f"{len(files)} pictures of {files[0].parent.parent}, {times} times over, longest side {SIDE}")
    many = [path for _ in range(times) for path in files]
    resize = Resize(max_side=SIDE)
    level = Convert(png_level=1)
    rates = {
        "pillow": measure("(a) Pillow, one thread", len(many), lambda out: pillow_loop(many, out)),
        "opencv": measure("(b) OpenCV, 2 threads", len(many), lambda out: opencv_loop(many, out)),
    }
    try:
        rates["vips"] = measure("(c) libvips, 2 threads", len(many), lambda out: vips_loop(many, out))
    except ImportError:
        print("(c) libvips: pyvips is not installed")

    def rounds(count: int, *stages: RecordStage) -> Callable[[Path], None]:
        return lambda out: ours(many, out, count, *stages)

    rates["level"] = measure(f"ours, zlib level 1, {workers} workers", len(many), rounds(workers, level, resize))
    for count in range(1, workers + 1):
        rates["ours"] = measure(f"ours, png, {count} worker{'s' * (count > 1)}", len(many), rounds(count, Convert(), resize))
    scaled = Convert(at_least=SIDE)
    measure(f"ours, png, scaled decoding, {workers}", len(many), rounds(workers, scaled, resize))
    for name in ("pillow", "opencv", "vips"):
        if name in rates:
            print(f"ours / {name}: {rates['ours'] / rates[name]:.2f} (at zlib level 1: {rates['level'] / rates[name]:.2f})")


def large(workers: int) -> None:
    """24-megapixel JPEGs: peak memory of driver and workers together."""
    with folder() as made:
        noise = np.random.default_rng(0).integers(0, 256, (50, 75, 3), np.uint8)
        first = made / "0.jpg"
        Pil.fromarray(noise).resize((6000, 4000), Pil.Resampling.BICUBIC).save(first, quality=92)
        for i in range(1, 12):
            shutil.copy(first, made / f"{i}.jpg")
        run_apart("large", made, workers)


def small(workers: int) -> None:
    """2,000 small pictures: memory after a quarter of the run, and at its end."""
    with folder() as made:
        rng = np.random.default_rng(0)
        for i in range(2000):
            DOOR.write(rng.integers(0, 256, (64, 64, 3), np.uint8), made / f"{i}.png", "png")
        run_apart("small", made, workers)


def run_apart(what: str, files: Path, workers: int) -> None:
    """Measures in a fresh process, whose memory holds nothing of the other measurements."""
    subprocess.run([sys.executable, __file__, str(files), "--workers", str(workers), "--only", what], check=True)


def measure_large(files: Sequence[Path], workers: int) -> None:
    name = f"{len(files)} of 24 megapixels, {workers} workers"
    measure(name, len(files), lambda out: ours(files, out, workers, Convert(), Resize()))


def measure_small(files: Sequence[Path], workers: int) -> None:
    with folder() as out, Memory() as memory:
        ours(files, out, workers, Convert(), Resize())
    quarter = len(memory.samples) // 4
    early, late = max(memory.samples[quarter : 2 * quarter]), max(memory.samples[-quarter:])
    print(f"{len(files)} small ones: {early:.0f} MB in the second quarter of the run, {late:.0f} MB in the last")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=PHOTOS)
    parser.add_argument("--times", type=int, default=6)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--only", choices=["speed", "large", "small"])
    given = parser.parse_args()
    found = sorted(p for p in given.folder.rglob("*") if p.suffix.lower() in (".jpg", ".jpeg", ".png", ".webp"))
    if given.only == "large":
        measure_large(found, given.workers)
    elif given.only == "small":
        measure_small(found, given.workers)
    else:
        speed(found, given.times, given.workers)
        if given.only is None:
            large(given.workers)
            small(given.workers)
