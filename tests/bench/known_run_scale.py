"""What a run costs that is known as a whole: `python tests/bench/known_run_scale.py [--counts 100000 1000000]`.

Such a run compares the names, sizes and times of all files and looks at no record. So this makes the files of a large
dataset (of each record a source, its caption, what was encoded of it, and the picture and caption prepared) as hard
links to a few hundred, keeps in a ledger what a run over them told, and times the commands `run` and `plan`. Reading
inodes of real files takes longer where they are not in memory yet: `--pipeline FILE` measures with files that are
there, of a prepared folder whose ledger is gone. Each command then runs twice, and the first reads the inodes.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from curate.core.events import Scanned, StageRecalled
from curate.core.store import LEDGER, Store
from curate.drive.fingerprint import fingerprint
from curate.drive.known_run import KnownRun
from curate.drive.session import env_over
from curate.pipeline import load
from curate.report.summary import summarise
from curate.report.tally import Tally
from tests.bench.ledger_scale import PICTURES, PIPELINE
from tests.bench.processor_time import cost

_LINKS = 20_000
"""Names of one file; ext4 gives up at 65,000."""


class Linked:
    """Files of one content under many names."""

    def __init__(self, place: Path) -> None:
        self._place, self._count = place, 0
        place.mkdir(parents=True)

    def add(self, path: str) -> None:
        original = f"{self._place}/{self._count // _LINKS}"
        if not self._count % _LINKS:
            Path(original).write_text("a few bytes", encoding="utf-8")
        os.link(original, path)
        self._count += 1


def make(place: Path, records: int) -> Path:
    """The folders and the pipeline."""
    files = Linked(place / "originals")
    inputs = [place / f"in/dog/{n:02}" for n in range(100)]
    objects = [place / f"out/.curate/objects/{n:02x}" for n in range(256)]
    prepared = place / "out/1_zwx dog"
    for folder in (*inputs, *objects, prepared):
        folder.mkdir(parents=True)
    for n in range(records):
        source = f"{inputs[n % 100]}/{n:07}"
        for path in (f"{source}.png", f"{source}.txt", f"{objects[n % 256]}/{n:040x}.png"):
            files.add(path)
        for ending in (".png", ".txt"):
            files.add(f"{prepared}/{n % 100:02}_{n:07}{ending}")
    (place / "out/.curate/report.html").write_text("a report", encoding="utf-8")
    (place / "pipeline.yaml").write_text(PIPELINE.format(pictures=PICTURES), encoding="utf-8")
    return place / "pipeline.yaml"


def keep(file: Path, records: int) -> None:
    """Lets the ledger know what a run over all of it told."""
    pipeline = load(file)
    stages = [part for stage in pipeline.stages for part in stage.parts()]
    events = [Scanned(records, {"dog": records}), *(StageRecalled(s.name, records, s.display_name) for s in stages)]
    told = {"status": "done", "pictures": records, "concepts": {"dog": records}, "prepared": records}
    figures = summarise(Tally(), None, {}) | told | {"recalled": records * len(stages)}
    with Store(pipeline.output) as store:
        env = env_over(pipeline.output, pipeline.output, pipeline.run, pipeline.concepts, store)
        state = fingerprint(pipeline, env, store.file_digests)
        assert state is not None
        store.keep_known_run(state, KnownRun(events, [], figures, records, 0).to_json())


def measure(file: Path, records: int, commands: tuple[str, ...], start: float) -> None:
    """Prints the rows of one dataset."""
    time.sleep(2.5)
    keep(file, records)
    for command in commands:
        used = cost(command, str(file))
        each = 1e6 * (used.cpu - start) / records
        row = f"{records:9,} {command:6}{used.cpu:8.1f}{each:13.1f}{used.wall:9.1f}{used.own:11.0f}"
        print(row, flush=True)


def main(counts: list[int], folder: Path | None, pipeline: Path | None) -> None:
    """Prints the table."""
    start = cost("plan", "--help").cpu
    print(f"{'records':>9} {'':6}{'cpu s':>8}{'µs a record':>13}{'wall s':>9}{'memory MB':>11}", flush=True)
    if pipeline:
        place = load(pipeline).output
        if (place / LEDGER / "ledger.sqlite").exists():
            sys.exit(f"{place} has a ledger: what is made up here would be told as if it were so")
        records = sum(file.endswith(".png") for _, _, files in os.walk(place) for file in files)
        measure(pipeline.absolute(), records, ("run", "plan", "run", "plan"), start)
        return
    for records in counts:
        with tempfile.TemporaryDirectory(dir=folder) as temporary:
            measure(make(Path(temporary), records), records, ("run", "plan"), start)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--counts", type=int, nargs="+", default=[100_000])
    parser.add_argument("--folder", type=Path, help="make the files in this folder")
    parser.add_argument("--pipeline", type=Path, help="measure this one, whose files are there and whose ledger is not")
    given = parser.parse_args()
    main(given.counts, given.folder, given.pipeline)
