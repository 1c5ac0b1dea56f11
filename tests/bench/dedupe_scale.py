"""What `dedupe` takes over made-up hashes: `python tests/bench/dedupe_scale.py [--counts 10000 100000]`.

No picture is opened: the hashes are drawn, every twentieth record is equal to another one, and every twentieth has a
hash near that of another. So this is what the records and the search take, without the comparison of pictures. Each
count runs in a process of its own. Printed are processor time, and the most memory above the start of the process.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

import numpy as np

from curate.core.record import Image, Manifest, Record
from curate.core.runner import Runner
from curate.core.stage import DatasetStage, Env, Pixels
from curate.core.store import Store
from curate.errors import PictureError
from curate.executors.local import choose
from curate.executors.pool import POOL
from curate.images.duplicates.perceptual_hash import CROPS
from curate.stages.dedupe import Dedupe

_BLOCK = 1000


class NoPictures:
    """Pictures that cannot be read, so that none is compared."""

    def read(self, path: Path) -> Pixels:
        """Raises PictureError."""
        raise PictureError("not there")

    def write(self, pixels: Pixels, path: Path, encoding: str) -> None:
        """Writes nothing."""


def records(count: int) -> Iterator[Record]:
    """Records with fingerprints, drawn block by block."""
    for start in range(0, count, _BLOCK):
        rng = np.random.default_rng(start)
        drawn = rng.integers(0, 2**63, (_BLOCK, 1 + len(CROPS)), dtype=np.uint64)
        drawn[19::20, 0] = drawn[18::20, 0] ^ np.uint64(0b10010001)
        digests = rng.bytes(20 * _BLOCK)
        for n in range(min(_BLOCK, count - start)):
            source = n - 1 if n % 20 == 9 else n
            values = [f"{value:016x}" for value in drawn[source].tolist()]
            key = f"dog/{n % 100:02}/{start + n:07}.png"
            fingerprint = {
                "pixels": digests[20 * source : 20 * source + 20].hex(),
                "whole": values[0],
                "parts": "".join(values[1:]),
                "noise": n / 997,
                "blocks": 1 + n / 991,
                "sharpness": 100 + n / 7,
                "area": 512 * (512 + n),
                "reduced": False,
            }
            image = Image(digests[20 * n : 20 * n + 20].hex(), f"/data/in/{key}", 512, 512 + n)
            yield Record(key, "dog", image.digest, image, facts={"fingerprint": fingerprint})


def _memory() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure(count: int, **options: Any) -> None:
    """Prints a row for each step, with all the records of the step before in memory."""
    stage = Dedupe(**options)
    _, search, choice = stage.parts()
    assert isinstance(choice, DatasetStage)
    base = _memory()

    def step(name: str, body: Callable[[], Manifest]) -> Manifest:
        begun = time.process_time()
        after = body()
        spent, held = time.process_time() - begun, _memory() - base
        print(f"{count:9,} {name:22}{1e6 * spent / count:12.0f}{1e6 * held / count:14.0f}{held:10.0f}", flush=True)
        return after

    with tempfile.TemporaryDirectory() as folder, Store(Path(folder)) as store:
        env = Env(Path(folder), Path(folder), NoPictures(), store=store)
        runner = Runner(store, env, lambda chain, todo: choose(1, chain, todo, POOL), lambda _: None)
        before = step("making the records", lambda: Manifest(records(count)))
        found = step("search", lambda: runner.run([search], before))
        step("choice", lambda: choice.run(found, env, lambda _: None))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--counts", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--no-crops", action="store_true", help="as with dedupe: {crops: false}")
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        measure(given.counts[0], crops=not given.no_crops)
        sys.exit()
    print(f"{'records':>9} {'':22}{'µs a record':>12}{'bytes a rec.':>14}{'MB':>10}")
    more = ["--no-crops"] if given.no_crops else []
    for count in given.counts:
        subprocess.run([sys.executable, __file__, "--one", "--counts", str(count), *more], check=True)
