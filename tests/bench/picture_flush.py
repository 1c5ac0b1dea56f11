"""What waiting for the disk costs a pass that encodes pictures: `python -m tests.bench.picture_flush [--folder DIR]`.

Drawn pictures go through `convert` and `resize` in worker processes. "At once": a worker waits for each picture that it
wrote before it takes the next one. "Beside": it goes on, and pictures wait side by side. Ways alternate, since other
programs use the disk too. Printed for each: milliseconds a picture on the wall, and of the command's own processor.
The last row of a size is the median of the ratios on the wall. `--folder` is on the disk to be measured.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

import numpy as np
from PIL import Image

from curate.core.chain import Encode, Prepared
from curate.core.record import Image as File
from curate.core.record import Record
from curate.core.stage import Env, Worker
from curate.executors.local import Processes
from curate.executors.parallelism import available_cpus
from curate.executors.pool import Pool
from curate.images import PICTURE_FILES
from curate.stages.convert import Convert
from curate.stages.resize import Resize
from tests.bench.ray_overhead import Photos


class EncodeAtOnce(Encode):
    """Waits for each picture, as `Encode` does where nobody lets it go on."""

    @contextmanager
    def open(self, env: Env) -> Generator[Worker]:
        yield lambda records: [self._encode(r, dataclasses.replace(env, new_files=None)) for r in records]


def draw(folder: Path, small: int, photos: int) -> dict[str, list[Path]]:
    """Small pictures of 128×128, and photos of 1600×1200."""
    photo, rng = Photos(), np.random.default_rng(0)
    files = {
        "small": [folder / f"small{n}.png" for n in range(small)],
        "photos": [folder / f"photo{n}.jpg" for n in range(photos)],
    }
    for path in files["small"]:
        soft = Image.fromarray(rng.integers(0, 256, (8, 8, 3), np.uint8))
        soft.resize((128, 128), Image.Resampling.BICUBIC).save(path)
    for n, path in enumerate(files["photos"]):
        photo.draw(n, path)
    return files


def timed(encode: Encode, files: Sequence[Path], out: Path, workers: int, pool: Pool) -> tuple[float, float]:
    """Milliseconds a picture: on the wall, and of this process."""
    env = Env(root=out, output=out, pictures=PICTURE_FILES)
    stages = [Convert(), Resize(max_side=1024), encode]
    work = ((i, Record(f"{i}", "x", "", File(str(i), str(path)))) for i, path in enumerate(files))
    os.sync()
    wall, cpu = time.perf_counter(), time.process_time()
    for outcome in Processes(workers, pool).map([Prepared(s, str(i)) for i, s in enumerate(stages)], work, env):
        assert not outcome.error, outcome.error
    return 1000 * (time.perf_counter() - wall) / len(files), 1000 * (time.process_time() - cpu) / len(files)


def main(small: int, photos: int, times: int, workers: int, place: Path | None) -> None:
    """Prints the table."""
    ways = {"at once": EncodeAtOnce(), "beside": Encode()}
    pool = Pool()
    # removed at the end: ext4 looks for inodes that were not deleted lately, at half a millisecond a file
    with tempfile.TemporaryDirectory(dir=place) as folder:
        sizes = draw(Path(folder), small, photos)
        timed(Encode(), sizes["photos"][:4] or sizes["small"][:4], Path(folder, "loading"), workers, pool)
        for name, files in sizes.items():
            print(
                f"{len(files)} {name}, {workers} workers: ms a picture on the wall, and of the command's own processor"
            )
            ratios: list[float] = []
            for n in range(times if files else 0):
                found = {w: timed(e, files, Path(folder, f"{name} {w} {n}"), workers, pool) for w, e in ways.items()}
                ratios.append(found["at once"][0] / found["beside"][0])
                cells = (f"{way}{wall:8.2f}{cpu:7.2f}" for way, (wall, cpu) in found.items())
                print("    ".join(cells), f"   ratio {ratios[-1]:.2f}", flush=True)
            if ratios:
                print(f"at once takes {statistics.median(ratios):.2f} times as long", flush=True)
    pool.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--small", type=int, default=2000)
    parser.add_argument("--photos", type=int, default=500)
    parser.add_argument("--times", type=int, default=3)
    parser.add_argument("--workers", type=int, default=available_cpus())
    parser.add_argument("--folder", type=Path, help="a folder on the disk to be measured")
    given = parser.parse_args()
    main(given.small, given.photos, given.times, given.workers, given.folder)
