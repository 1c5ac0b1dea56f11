"""What waiting for the disk costs a small file: `python tests/bench/file_batch.py [--files 2048] [--folder DIR]`.

Captions are written one by one, each of which waits for the disk, and then in batches that wait once. "Unasked" are
batches that wait without asking the disk first to begin with all files. Printed for each way: milliseconds a file on
the wall and of the processor. The ways alternate, since other programs use the disk too; the last rows are the medians
of their ratios.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from curate.core import file_batch
from curate.core.file_batch import FileBatch
from curate.core.files import write_text

TEXT = "zwx dog, tag 7, grass, a caption of the usual length"


def one_by_one(folder: Path, files: int, size: int) -> None:
    for number in range(files):
        write_text(folder / f"{number}.txt", TEXT)


def in_batches(folder: Path, files: int, size: int) -> None:
    with FileBatch(folder / "staging") as batch:
        for number in range(files):
            batch.write_text(folder / f"{number}.txt", TEXT)
            if number % size == size - 1:
                batch.flush()


def unasked_batches(folder: Path, files: int, size: int) -> None:
    start, file_batch.start_flush = file_batch.start_flush, lambda path: None
    try:
        in_batches(folder, files, size)
    finally:
        file_batch.start_flush = start


def timed(way: Callable[[Path, int, int], None], folder: Path, files: int, size: int) -> tuple[float, float]:
    """Milliseconds a file: on the wall, and of the processor."""
    folder.mkdir()
    wall, cpu = time.perf_counter(), time.process_time()
    way(folder, files, size)
    return 1000 * (time.perf_counter() - wall) / files, 1000 * (time.process_time() - cpu) / files


def main(files: int, size: int, place: Path | None) -> None:
    """Prints the table."""
    print(f"{files} files, batches of {size}: ms a file, on the wall and of the processor", flush=True)
    ways = {"one by one": one_by_one, "unasked": unasked_batches, "in batches": in_batches}
    ratios: dict[str, list[float]] = {name: [] for name in ways}
    # removed at the end: ext4 looks for inodes that were not deleted lately, at half a millisecond a file
    with tempfile.TemporaryDirectory(dir=place) as folder:
        for n in range(5):
            found = {name: timed(way, Path(folder, f"{name} {n}"), files, size) for name, way in ways.items()}
            for name in ways:
                ratios[name].append(found[name][0] / found["in batches"][0])
            print("    ".join(f"{name} {wall:7.3f}{cpu:7.3f}" for name, (wall, cpu) in found.items()), flush=True)
    for name in ("one by one", "unasked"):
        print(f"{name} takes {statistics.median(ratios[name]):.1f} times as long as in batches", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=2048)
    parser.add_argument(
        "--size", type=int, default=512, help="files in a batch; export has two for each of 256 pictures"
    )
    parser.add_argument("--folder", type=Path, help="a folder on the disk to be measured")
    given = parser.parse_args()
    main(given.files, given.size, given.folder)
