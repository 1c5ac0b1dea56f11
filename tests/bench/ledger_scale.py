"""What a run costs a record as records grow: `python tests/bench/ledger_scale.py [--counts 10000 100000] [--keep DIR]`.

Tiny pictures with captions go through the cheap stages with one process. The commands are a first run; a run that
looks at each record and finds all known; a run and a plan that know the run before as a whole; a run after an edit of
one caption; and a report of the prepared folder. For each count are printed: processor time, in milliseconds a
record, and how much more that is than at the first count; the same of each further record, which leaves out what a
command takes for any number of records; seconds on the wall; the memory of the command and of the processes it
started, each at its most; and the bytes of the ledger. For the runs that look at each record, the stages follow.

With `--captions-only` no picture is opened, so that a million records take an hour rather than three.

Targets of a million records: within 20 % a record, 1.5 GB of memory, 60 s for a known run and for `plan`.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.bench.known import tiny
from tests.bench.processor_time import Cost, cost, stages

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
BY_STAGE = ("first run", "second run")


def make(place: Path, count: int, *, captions_only: bool = False) -> None:
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


def _old_enough() -> None:
    time.sleep(2.5)  # files this young are read again


def _edit(place: Path) -> None:
    """A person's edit of one caption."""
    caption = next(place.glob("out/*/*.txt"))
    caption.write_text(caption.read_text(encoding="utf-8") + ", mine", encoding="utf-8")


def steps(place: Path) -> dict[str, tuple[tuple[str, ...], Callable[[], None]]]:
    """What is measured: the command, and what happens before it."""
    run, plan = (("run", str(place / "pipeline.yaml")), ("plan", str(place / "pipeline.yaml")))
    return {
        "first run": (run, lambda: None),
        "second run": (run, _old_enough),
        "known run": (run, lambda: None),
        "known plan": (plan, lambda: None),
        "one edit": (run, lambda: _edit(place)),
        "report": (("report", str(place / "out")), lambda: None),
    }


@dataclass
class Table:
    """The printed rows; what was measured at the count before is what the next is compared with."""

    start: float
    first: dict[str, float] = field(default_factory=dict[str, float])
    last: dict[str, tuple[int, float]] = field(default_factory=dict[str, tuple[int, float]])

    def head(self) -> None:
        """The names of the columns."""
        print(f"start of the program: {self.start:.1f} s, not counted in the first column", flush=True)
        columns = f"{'ms a record':>12}{'× first':>9}{'ms a further':>14}{'wall s':>9}{'memory MB':>11}"
        print(f"{'records':>9} {'':18}{columns}", flush=True)

    def row(self, count: int, name: str, seconds: float, used: Cost | None = None) -> None:
        """Of a command, or of a stage of one."""
        each = 1000 * (seconds - (self.start if used else 0)) / count
        times = each / (self.first.setdefault(name, each) or 1)
        before, then = self.last.get(name, (0, 0.0))
        further = f"{1000 * (seconds - then) / (count - before):14.3f}" if before else " " * 14
        self.last[name] = (count, seconds)
        whole = f"{used.wall:9.1f}{used.own:6.0f}, {used.memory:.0f}" if used else ""
        print(f"{count:9,} {name:18}{each:12.3f}{times:9.2f}{further}{whole}", flush=True)


def main(counts: list[int], keep: Path | None, captions_only: bool) -> None:
    """Prints the table."""
    table = Table(cost("plan", "--help").cpu)
    table.head()
    for count in counts:
        with tempfile.TemporaryDirectory() as temporary:
            place = keep / str(count) if keep else Path(temporary)
            make(place, count, captions_only=captions_only)
            for name, (command, before) in steps(place).items():
                before()
                used = cost(*command)
                table.row(count, name, used.cpu, used)
                for stage, seconds in stages(used, place / "out/.curate/events.jsonl") if name in BY_STAGE else ():
                    table.row(count, f"{name[0]}. {stage}", seconds)
            size = sum(file.stat().st_size for file in (place / "out/.curate").glob("ledger.sqlite*"))
            print(f"{count:9,} ledger: {size / count:.0f} bytes a record", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--counts", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--keep", type=Path, help="make and leave the folders here")
    parser.add_argument("--captions-only", action="store_true", help="without the stages that open pictures")
    given = parser.parse_args()
    main(given.counts, given.keep, given.captions_only)
