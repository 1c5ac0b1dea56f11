"""Times a second run over pictures that are all known: what the ledger, the folder and the events cost per picture.

    python tests/bench/known.py [--pictures 10000] [--profile]

Makes tiny pictures once, runs convert, tag's selection-like stages and export over them, then again, and prints the
seconds of both runs and of an empty start of the interpreter.
"""

from __future__ import annotations

import argparse
import cProfile
import pstats
import resource
import struct
import subprocess
import sys
import tempfile
import time
import zlib
from pathlib import Path

PIPELINE = """\
input: in
output: out
concepts:
  dog: {trigger: [zwx dog]}
  cat: {trigger: [qqq cat], weight: 0.5}
stages:
  - convert
  - captions: {blacklist: [dark]}
  - prune
  - trigger
  - balance
  - export
run: {workers: 1}
"""


def tiny(number: int) -> bytes:
    """A 2×2 PNG whose pixels say its number, so that no two are alike."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    colour = number.to_bytes(3, "big")
    rows = (b"\0" + colour * 2) * 2
    head = struct.pack(">IIBBBBB", 2, 2, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def make(folder: Path, pictures: int) -> None:
    for number in range(pictures):
        concept = folder / "in" / ("dog" if number % 3 else "cat")
        concept.mkdir(parents=True, exist_ok=True)
        (concept / f"picture {number:05}.png").write_bytes(tiny(number))
        (concept / f"picture {number:05}.txt").write_text("dog, outdoors, grass, dark", encoding="utf-8")
    (folder / "pipeline.yaml").write_text(PIPELINE, encoding="utf-8")


def timed(command: list[str]) -> tuple[float, float]:
    """Seconds of wall clock and of processor, which a busy machine does not stretch."""

    def used() -> float:
        spent = resource.getrusage(resource.RUSAGE_CHILDREN)
        return spent.ru_utime + spent.ru_stime

    begun, before = time.perf_counter(), used()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - begun, used() - before


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=int, default=10_000)
    parser.add_argument("--profile", action="store_true", help="show where the second run spends its time")
    parser.add_argument("--keep", type=Path, help="work in this folder and leave it there")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = given.keep or Path(temporary)
        if not (folder / "pipeline.yaml").is_file():
            make(folder, given.pictures)
        run = [sys.executable, "-m", "curate.cli", "run", "--quiet", str(folder / "pipeline.yaml")]
        wall, cpu = timed(run)
        print(f"{given.pictures:,} pictures, first run: {wall:.1f} s ({cpu:.1f} s of processor)")
        time.sleep(2.5)  # files this young are read again, since their times cannot be trusted
        timed(run)
        start = min(timed([sys.executable, "-m", "curate.cli", "plan", "--help"]) for _ in range(2))
        wall, cpu = min(timed(run) for _ in range(3))
        print(f"known run: {wall:.1f} s ({cpu:.1f} s of processor), start-up {start[0]:.1f} s ({start[1]:.1f} s)")
        if given.profile:
            profile(folder / "pipeline.yaml")


def profile(pipeline: Path) -> None:
    from curate import drive
    from curate.pipeline import load

    watch = cProfile.Profile()
    watch.runcall(lambda: drive.run(load(pipeline), quiet=True))
    pstats.Stats(watch).sort_stats("cumulative").print_stats(45)


if __name__ == "__main__":
    main()
