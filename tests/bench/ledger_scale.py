"""What a run costs a record as records grow: `python tests/bench/ledger_scale.py [--counts 10000 100000] [--keep DIR]`.

Tiny pictures with captions go through the cheap stages with one process. For each count are printed, per record, the
processor time of a first run, of a run in which all is known and of `plan`, in milliseconds; the bytes of the ledger;
the memory of the process at its most; and how much more each is than at the first count. Targets of a million records:
within 20 % a record, 1.5 GB of memory, 60 s for a known run and for `plan`.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.bench.known import tiny

PIPELINE = """\
input: in
output: out
concepts:
  dog: {trigger: [zwx dog]}
stages:
  - convert
  - dedupe: {near: false}
  - captions: {blacklist: [dark]}
  - prune
  - trigger
  - balance
  - export
run: {workers: 1}
"""
FOLDERS = 100


@dataclass(frozen=True)
class Cost:
    """Seconds on the wall and of the processor, and megabytes at the most."""

    wall: float
    cpu: float
    memory: float


def make(place: Path, count: int) -> Path:
    """The raw folder and its pipeline; what is there already is left as it is."""
    for number in range(count):
        folder = place / f"in/dog/{number % FOLDERS:02}"
        if number < FOLDERS:
            folder.mkdir(parents=True, exist_ok=True)
        file = folder / f"{number:07}.png"
        if not file.exists():
            file.write_bytes(tiny(number))
            file.with_suffix(".txt").write_text(f"dog, tag {number % 500}, grass, dark", encoding="utf-8")
    (place / "pipeline.yaml").write_text(PIPELINE, encoding="utf-8")
    return place / "pipeline.yaml"


def cost(command: str, pipeline: Path) -> Cost:
    """Of a command in a process of its own."""
    begun = time.perf_counter()
    arguments = [sys.executable, "-m", "curate.cli", command, str(pipeline)]
    process = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, arguments
    return Cost(time.perf_counter() - begun, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)


def main(counts: list[int], keep: Path | None) -> None:
    """Prints the table."""
    start = cost("plan", Path("--help")).cpu
    print(f"start of the program: {start:.1f} s, not counted below", flush=True)
    print(f"{'records':>9} {'':12}{'ms a record':>12}{'× first':>9}{'wall s':>9}{'memory MB':>11}", flush=True)
    first: dict[str, float] = {}
    for count in counts:
        with tempfile.TemporaryDirectory() as temporary:
            place = keep / str(count) if keep else Path(temporary)
            pipeline = make(place, count)
            for name, command in (
                ("first run", "run"),
                ("settling run", "run"),
                ("known run", "run"),
                ("plan", "plan"),
            ):
                used = cost(command, pipeline)
                each = 1000 * (used.cpu - start) / count
                times = each / first.setdefault(name, each)
                print(f"{count:9,} {name:12}{each:12.2f}{times:9.2f}{used.wall:9.1f}{used.memory:11.0f}", flush=True)
                time.sleep(2.5 if name == "first run" else 0)  # files this young are read again
            size = sum(file.stat().st_size for file in (place / "out/.curate").glob("ledger.sqlite*"))
            print(f"{count:9,} ledger: {size / count:.0f} bytes a record", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--counts", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--keep", type=Path, help="make and leave the folders here")
    given = parser.parse_args()
    main(given.counts, given.keep)
