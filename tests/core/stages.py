"""Small stages for the runner's tests; what they read, write and refuse is chosen by their options."""

from __future__ import annotations

import contextlib
import dataclasses
import os
from collections.abc import Generator
from typing import ClassVar

import numpy as np

from curate.core.events import Listener
from curate.core.record import FIELDS, Manifest, Record
from curate.core.stage import DatasetStage, Env, RecordStage, Resources, Worker
from curate.errors import MissingError, PictureError

CALLS: list[tuple[str, str]] = []
"""Which stage saw which key, in this process."""


class _Step(RecordStage):
    """Counts its calls and hands each record to `one`."""

    word: str = "x"
    reads: ClassVar[frozenset[str]] = frozenset({"tags"})
    writes: ClassVar[frozenset[str]] = frozenset({"tags"})

    @property
    def name(self) -> str:
        return type(self).__name__.lower()

    @contextlib.contextmanager
    def open(self, env: Env) -> Generator[Worker]:
        def work(records):  # type: ignore[no-untyped-def]
            CALLS.extend((self.name, r.key) for r in records)
            return [new for r in records for new in self.one(r, env)]

        yield work

    def one(self, record: Record, env: Env) -> list[Record]:
        return [dataclasses.replace(record, tags=(*record.tags, self.word))]


class Word(_Step):
    """Adds its word to the tags."""


class Other(_Step):
    """Adds its word as well; a second stage to follow the first."""


class Peek(_Step):
    """Notes in the tags which fields carry a value."""

    def one(self, record: Record, env: Env) -> list[Record]:
        blank = Record("", "", "", dataclasses.replace(record.image, digest="", path="", width=0, height=0))
        return [dataclasses.replace(record, tags=tuple(f for f in FIELDS if getattr(record, f) != getattr(blank, f)))]


class Meddle(_Step):
    """Changes a field that it does not say it writes."""

    def one(self, record: Record, env: Env) -> list[Record]:
        return [dataclasses.replace(record, sentence="meddled", repeats=9, tags=("meant",))]


class Fussy(_Step):
    """Fails on some pictures: those that are tagged `on`."""

    on: str = "p1"

    def one(self, record: Record, env: Env) -> list[Record]:
        if self.on in record.tags or self.on == "all":
            raise PictureError("no good")
        return super().one(record, env)


class Crashing(Fussy):
    """Fails with something that nobody foresaw."""

    def one(self, record: Record, env: Env) -> list[Record]:
        if self.on in record.tags or self.on == "all":
            raise ZeroDivisionError("oops")
        return super().one(record, env)


class Batched(Fussy):
    """The same, four at a time."""

    resources: ClassVar[Resources] = Resources(batch=4)


class Decide(_Step):
    """Sets a picture aside by decision."""

    on: str = "p1"
    writes: ClassVar[frozenset[str]] = frozenset({"tags", "aside"})

    def one(self, record: Record, env: Env) -> list[Record]:
        return [dataclasses.replace(record, aside="too dark") if self.on in record.tags else record]


class Missing(_Step):
    """Lacks something on this machine."""

    def one(self, record: Record, env: Env) -> list[Record]:
        raise MissingError("no model here", "get one")


class Unloadable(_Step):
    """Needs a library that the system does not load."""

    def one(self, record: Record, env: Env) -> list[Record]:
        raise ImportError("libGL.so.1: cannot open shared object file")


class Dying(_Step):
    """Kills its process on one picture, as a decoder's crash does."""

    on: str = "p1"

    def one(self, record: Record, env: Env) -> list[Record]:
        if self.on in record.tags or self.on == "all":
            os._exit(9)
        return super().one(record, env)


class Where(_Step):
    """Notes the process it was done in."""

    def one(self, record: Record, env: Env) -> list[Record]:
        return [dataclasses.replace(record, tags=(str(os.getpid()),))]


class Annotate(_Step):
    """Adds a note and a fact without looking at those that are there."""

    writes: ClassVar[frozenset[str]] = frozenset({"notes", "facts"})

    def one(self, record: Record, env: Env) -> list[Record]:
        return [record.noting(f"saw {self.word}", **{self.word: len(record.tags)})]


class Brighter(_Step):
    """Adds to every pixel."""

    by: int = 1
    reads: ClassVar[frozenset[str]] = frozenset({"image"})
    writes: ClassVar[frozenset[str]] = frozenset({"image"})

    def one(self, record: Record, env: Env) -> list[Record]:
        return [env.keep(record, env.pixels(record) + np.uint8(self.by))]


class Darker(Brighter):
    """Takes from every pixel."""

    def one(self, record: Record, env: Env) -> list[Record]:
        return [env.keep(record, env.pixels(record) - np.uint8(self.by))]


class Halves(Brighter):
    """Two pictures of each, left and right."""

    def one(self, record: Record, env: Env) -> list[Record]:
        pixels = env.pixels(record)
        middle = pixels.shape[1] // 2
        parts = (pixels[:, :middle], pixels[:, middle:])
        return [env.keep(record, np.ascontiguousarray(p), key=f"{record.key}#{n}") for n, p in enumerate(parts, 1)]


class Count(DatasetStage):
    """Gives every picture as many repeats as there are pictures, and a note."""

    plus: int = 0
    reads: ClassVar[frozenset[str]] = frozenset({"tags"})
    writes: ClassVar[frozenset[str]] = frozenset({"repeats", "notes"})

    @property
    def name(self) -> str:
        return "count"

    def run(self, manifest: Manifest, env: Env, tell: Listener) -> Manifest:
        CALLS.append(("count", ""))
        (env.output / "count.txt").write_text(str(len(manifest)), encoding="utf-8")
        number = len(manifest.present) + self.plus
        return Manifest(
            dataclasses.replace(r.noting("counted"), repeats=number, sentence="not written") for r in manifest
        )

    def is_current(self, manifest: Manifest, env: Env, tell: Listener) -> bool:
        return (env.output / "count.txt").is_file()
