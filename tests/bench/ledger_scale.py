"""What a run costs a record as records grow: `python tests/bench/ledger_scale.py [--counts 10000 100000] [--keep DIR]`.

Tiny pictures with captions go through the cheap stages with one process. For each count are printed, per record, the
processor time of each command in milliseconds, and how much more it is than at the first count; the seconds on the
wall; the memory of the process at its most; and the bytes of the ledger. The commands are a first run; a run that looks
at each record and finds all known; a run and a plan that know the run before as a whole; and a run after an edit of one
caption. With `--captions-only` no picture is opened, so that a million records take an hour rather than three.

Targets of a million records: within 20 % a record, 1.5 GB of memory, 60 s for a known run and for `plan`.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.bench.known import tiny

PIPELINE = """\
input: in
output: out
concepts:
  dog: {{trigger: [zwx dog]}}
stages:
{pictures}  - captions: {{blacklist: [dark]}}
  - prune
  - trigger
  - balance
  - export
run: {{workers: 1}}
"""
PICTURES = "  - convert\n  - dedupe: {near: false}\n"
FOLDERS = 100


@dataclass(frozen=True)
class Cost:
    """Seconds on the wall and of the processor, and megabytes at the most."""

    wall: float
    cpu: float
    memory: float


def make(place: Path, count: int, *, captions_only: bool = False) -> Path:
    """The raw folder and its pipeline; what is there already is left as it is."""
    for number in range(count):
        folder = place / f"in/dog/{number % FOLDERS:02}"
        if number < FOLDERS:
            folder.mkdir(parents=True, exist_ok=True)
        file = folder / f"{number:07}.png"
        if not file.exists():
            file.write_bytes(tiny(number))
            file.with_suffix(".txt").write_text(f"dog, tag {number % 500}, grass, dark", encoding="utf-8")
    text = PIPELINE.format(pictures="" if captions_only else PICTURES)
    (place / "pipeline.yaml").write_text(text, encoding="utf-8")
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


def _old_enough() -> None:
    time.sleep(2.5)  # files this young are read again


def _edit(place: Path) -> None:
    """A person's edit of one caption."""
    caption = next(place.glob("out/*/*.txt"))
    caption.write_text(caption.read_text(encoding="utf-8") + ", mine", encoding="utf-8")


def steps(place: Path) -> dict[str, tuple[str, Callable[[], None]]]:
    """What is measured: the command, and what happens before it."""
    return {
        "first run": ("run", lambda: None),
        "second run": ("run", _old_enough),
        "known run": ("run", lambda: None),
        "known plan": ("plan", lambda: None),
        "one edit": ("run", lambda: _edit(place)),
    }


def main(counts: list[int], keep: Path | None, captions_only: bool) -> None:
    """Prints the table."""
    start = cost("plan", Path("--help")).cpu
    print(f"start of the program: {start:.1f} s, not counted below", flush=True)
    print(f"{'records':>9} {'':12}{'ms a record':>12}{'× first':>9}{'wall s':>9}{'memory MB':>11}", flush=True)
    first: dict[str, float] = {}
    for count in counts:
        with tempfile.TemporaryDirectory() as temporary:
            place = keep / str(count) if keep else Path(temporary)
            pipeline = make(place, count, captions_only=captions_only)
            for name, (command, before) in steps(place).items():
                before()
                used = cost(command, pipeline)
                each = 1000 * (used.cpu - start) / count
                times = each / first.setdefault(name, each)
                print(f"{count:9,} {name:12}{each:12.3f}{times:9.2f}{used.wall:9.1f}{used.memory:11.0f}", flush=True)
            size = sum(file.stat().st_size for file in (place / "out/.curate").glob("ledger.sqlite*"))
            print(f"{count:9,} ledger: {size / count:.0f} bytes a record", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--counts", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--keep", type=Path, help="make and leave the folders here")
    parser.add_argument("--captions-only", action="store_true", help="without the stages that open pictures")
    given = parser.parse_args()
    main(given.counts, given.keep, given.captions_only)
