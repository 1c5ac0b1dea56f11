"""Stages that do to a worker what is to be tested."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import os
import time
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import ClassVar

from curate.core.record import Record
from curate.core.stage import Env, Resources, Worker
from tests.core.stages import Dying, Word


class Deadly(Dying):
    """Kills its process on one picture, or while it opens, and writes down which."""

    log: str = os.devnull

    @contextlib.contextmanager
    def open(self, env: Env) -> Generator[Worker]:
        if self.on == "open":
            os._exit(9)
        with super().open(env) as worker:
            yield worker

    def one(self, record: Record, env: Env) -> list[Record]:
        if self.on in record.tags:
            with Path(self.log).open("a") as file:
                file.write(record.key + "\n")
        return super().one(record, env)


class Slow(Word):
    """Takes its time, `then` for pictures from number `at` on; may note the process that it was done in."""

    seconds: float = 0.02
    then: float = 0.0
    at: int = 1000
    where: bool = False

    def one(self, record: Record, env: Env) -> list[Record]:
        time.sleep(self.then if int(record.key.partition("/")[2].partition(".")[0]) >= self.at else self.seconds)
        return [dataclasses.replace(record, tags=(str(os.getpid()),))] if self.where else super().one(record, env)


class Warning(Word):
    """Logs as a tagger does."""

    def one(self, record: Record, env: Env) -> list[Record]:
        logging.getLogger("taggers").warning("slow on %s device", 1)
        return super().one(record, env)


class Plain(Word):
    """Work of microseconds."""

    resources: ClassVar[Resources] = Resources(cpus=0)


class Large(Word):
    """Needs more memory than there is, beside its model."""

    model: str
    resources: ClassVar[Resources] = Resources(memory=9_000_000_000_000)

    def files(self, env: Env) -> Sequence[Path]:
        return [Path(self.model)]


class Busy:
    """An actor that takes the first node's core."""
