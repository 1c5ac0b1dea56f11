"""Prints how fast and in how much memory pictures are prepared, beside a Pillow loop, an OpenCV loop and libvips.

Run from the repository's root: `python -m tests.bench.pictures [FOLDER] [--times 6] [--workers N] [--rounds 1]`.
All write PNG at zlib level 1, the longest side at most 1024; "png" is our default encoder. "one to wait" finds a
worker process that has loaded already, as a run has that scanned meanwhile; all other rows of ours pay for its start.
Of several rounds, which take turns, the quickest of each row stands. Last come whole programs, from start to end.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

import numpy as np
from PIL import Image as Pil

from curate.executors.parallelism import available_cpus
from curate.executors.pool import Pool
from curate.images import PICTURE_FILES
from curate.stages.convert import Convert
from curate.stages.resize import Resize
from tests.bench.gauge import Gauged, gauge
from tests.bench.loops import LOOPS, SIDE, pictures
from tests.bench.passes import ours

PHOTOS = Path(__file__).parents[2].parent / "shared" / "data" / "photos"
Body = Callable[[Path], object]


@contextmanager
def folder() -> Generator[Path]:
    with tempfile.TemporaryDirectory() as made:
        yield Path(made)


def table(count: int, rounds: int, rows: dict[str, Body]) -> dict[str, float]:
    """Prints a line for each row, the quickest of its rounds; pictures a second."""
    best: dict[str, tuple[Gauged, int]] = {}
    for _ in range(rounds):
        for name, body in rows.items():
            with folder() as out:
                try:
                    found = gauge(lambda body=body, out=out: body(out))
                except ImportError as error:
                    print(f"{name}: {error.name} is not installed")
                    continue
                written = sum(p.stat().st_size for p in out.rglob("*.png") if not p.is_relative_to(out / ".curate"))
            if name not in best or found.wall < best[name][0].wall:
                best[name] = found, written
    for name, (g, written) in best.items():
        print(
            f"{name:36} {g.wall:7.2f} s {count / g.wall:8.1f}/s {g.cpu:7.2f} cpu-s "
            f"{written / 2**20:8.1f} MiB out {g.peak:7.0f} MB peak"
        )
    return {name: count / g.wall for name, (g, _) in best.items()}


def speed(files: Sequence[Path], times: int, workers: int, rounds: int) -> None:
    print(f"{len(files)} pictures of {files[0].parent.parent}, {times} times over, longest side {SIDE}")
    many = [path for _ in range(times) for path in files]
    pool = Pool()
    rows: dict[str, Body] = {name: lambda out, loop=loop: loop(many, out) for name, loop in LOOPS.items()}

    def row(count: int, convert: Convert, pool: Pool | None = None) -> Body:
        return lambda out: ours(many, out, count, convert, Resize(max_side=SIDE), pool=pool)

    powers = {1 << n for n in range(workers.bit_length()) if 1 << n < workers}
    for count in sorted(powers | {workers}):
        rows[f"ours, png, {count} core{'s' * (count > 1)}"] = row(count, Convert())
    if workers > 1:
        with folder() as out:
            ours(files[:4], out, workers, Convert(), Resize(max_side=SIDE), pool=pool)
        rows[f"ours, png, {workers} cores, one to wait"] = row(workers, Convert(), pool)
    rows[f"ours, zlib level 1, {workers} cores"] = row(workers, Convert(png_level=1))
    rows[f"ours, png, scaled decoding, {workers} cores"] = row(workers, Convert(at_least=SIDE))
    rates = table(len(many), rounds, rows)
    pool.close()
    compared(rates)
    print("whole programs, once over:")
    compared(table(len(files), rounds, programs(files[0].parent.parent, workers)))


def compared(rates: dict[str, float]) -> None:
    """Our rows over the others'."""
    for name, rate in rates.items():
        if name not in LOOPS:
            print(f"{name:36}", "  ".join(f"{rate / rates[n]:5.2f} × {n[:3]}" for n in LOOPS if n in rates))


def programs(source: Path, workers: int) -> dict[str, Body]:
    """Each as a process of its own, from its start to its end; ours scans, keeps a ledger and publishes besides."""
    script = str(Path(__file__).with_name("loops.py"))
    rows: dict[str, Body] = {name: lambda out, name=name: run(script, name, source, out) for name in LOOPS}
    options = ["-q", "--max-side", SIDE, "--workers", workers, "-o"]
    rows["ours: curate resize"] = lambda out: run("-m", "curate.cli", "resize", source, *options, out)
    with folder() as out:
        rows["ours: curate resize"](out)  # writes the bytecode that an installed program has
    return rows


def run(*arguments: object) -> None:
    """A Python program, its output thrown away; it may keep bytecode, as an installed one does."""
    places = {"PYTHONPYCACHEPREFIX": str(Path(tempfile.gettempdir(), "curate-bench-bytecode"))}
    environment = {**{k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}, **places}
    subprocess.run([sys.executable, *map(str, arguments)], check=True, capture_output=True, env=environment)


def run_apart(what: str, files: Path) -> None:
    """Measures in a fresh process, whose memory holds nothing of the other measurements, with 2 workers."""
    command = [sys.executable, "-m", "tests.bench.pictures", str(files), "--workers", "2", "--only", what]
    subprocess.run(command, check=True, cwd=Path(__file__).parents[2])


def large() -> None:
    """24-megapixel JPEGs: peak memory of driver and workers together."""
    with folder() as made:
        noise = np.random.default_rng(0).integers(0, 256, (50, 75, 3), np.uint8)
        first = made / "0.jpg"
        Pil.fromarray(noise).resize((6000, 4000), Pil.Resampling.BICUBIC).save(first, quality=92)
        for i in range(1, 12):
            shutil.copy(first, made / f"{i}.jpg")
        run_apart("large", made)


def small() -> None:
    """2,000 small pictures: memory after a quarter of the run, and at its end."""
    with folder() as made:
        rng = np.random.default_rng(0)
        for i in range(2000):
            PICTURE_FILES.write(rng.integers(0, 256, (64, 64, 3), np.uint8), made / f"{i}.png", "png")
        run_apart("small", made)


def measure_large(files: Sequence[Path], workers: int) -> None:
    name = f"{len(files)} of 24 megapixels, {workers} workers"
    table(len(files), 1, {name: lambda out: ours(files, out, workers, Convert(), Resize())})


def measure_small(files: Sequence[Path], workers: int) -> None:
    with folder() as out:
        samples = gauge(lambda: ours(files, out, workers, Convert(), Resize())).samples
    quarter = len(samples) // 4
    early, late = max(samples[quarter : 2 * quarter]), max(samples[-quarter:])
    print(f"{len(files)} small ones: {early:.0f} MB in the second quarter of the run, {late:.0f} MB in the last")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=PHOTOS)
    parser.add_argument("--times", type=int, default=6)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--workers", type=int, default=available_cpus())
    parser.add_argument("--only", choices=["speed", "large", "small"])
    given = parser.parse_args()
    found = pictures(given.folder)
    if given.only == "large":
        measure_large(found, given.workers)
    elif given.only == "small":
        measure_small(found, given.workers)
    else:
        speed(found, given.times, given.workers, given.rounds)
        if given.only is None:
            large()
            small()


if __name__ == "__main__":
    main()
