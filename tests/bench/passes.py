"""A pass of ours over files, apart from scan, ledger and publishing."""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import ClassVar

from curate.core.chain import Encode, Prepared
from curate.core.record import Image, Record
from curate.core.stage import Env, RecordStage, Worker
from curate.executors.local import InProcess, Processes
from curate.executors.pool import Pool
from curate.images import PICTURE_FILES


class Differ(RecordStage):
    """Changes one pixel by the record's number, so that each copy of a file is a picture of its own to the ledger."""

    reads: ClassVar[frozenset[str]] = frozenset({"image"})
    writes: ClassVar[frozenset[str]] = frozenset({"image"})

    @contextlib.contextmanager
    def open(self, env: Env) -> Generator[Worker]:
        def one(record: Record) -> Record:
            pixels = env.pixels(record).copy()
            pixels[0, 0] = int(record.key) % 251
            pixels[0, 1] = int(record.key) // 251
            return env.keep(record, pixels)

        yield lambda records: [one(r) for r in records]


def ours(files: Sequence[Path], out: Path, workers: int, *stages: RecordStage, pool: Pool | None = None) -> None:
    """A pass over the files, in this process or in one that is started, unless `pool` holds one that waits."""
    env = Env(root=out, output=out, pictures=PICTURE_FILES)
    chain = [Prepared(stage, str(i)) for i, stage in enumerate([*stages, Differ(), Encode()])]
    work = ((i, Record(f"{i}", "x", "", Image(str(i), str(path)))) for i, path in enumerate(files))
    executor = Processes(workers, pool) if workers > 1 else InProcess()
    for outcome in executor.map(chain, work, env):
        assert not outcome.error, outcome.error
