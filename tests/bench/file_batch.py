"""What waiting for the disk costs a small file: `python tests/bench/file_batch.py [--files 2048] [--folder DIR]`.

Captions are written one by one, each of which waits for the disk, and then in batches that wait once. Printed for each
way: milliseconds a file on the wall and of the processor. Pairs alternate, since other programs use the disk too; the
last row is the median of their ratios.
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


def timed(way: Callable[[Path, int, int], None], folder: Path, files: int, size: int) -> tuple[float, float]:
    """Milliseconds a file: on the wall, and of the processor."""
    folder.mkdir()
    wall, cpu = time.perf_counter(), time.process_time()
    way(folder, files, size)
    return 1000 * (time.perf_counter() - wall) / files, 1000 * (time.process_time() - cpu) / files


def main(files: int, size: int, place: Path | None) -> None:
    """Prints the table."""
    print(f"{files} files, batches of {size}: ms a file, on the wall and of the processor", flush=True)
    ratios: list[float] = []
    # removed at the end: ext4 looks for inodes that were not deleted lately, at half a millisecond a file
    with tempfile.TemporaryDirectory(dir=place) as folder:
        for n in range(3):
            before = timed(one_by_one, Path(folder, f"one by one {n}"), files, size)
            after = timed(in_batches, Path(folder, f"in batches {n}"), files, size)
            ratios.append(before[0] / after[0])
            row = f"one by one {before[0]:7.3f}{before[1]:7.3f}    in batches {after[0]:7.3f}{after[1]:7.3f}"
            print(row, flush=True)
    print(f"one by one takes {statistics.median(ratios):.1f} times as long", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=2048)
    parser.add_argument(
        "--size", type=int, default=512, help="files in a batch; export has two for each of 256 pictures"
    )
    parser.add_argument("--folder", type=Path, help="a folder on the disk to be measured")
    given = parser.parse_args()
    main(given.files, given.size, given.folder)
