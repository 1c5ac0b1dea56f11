"""Stage prune: removes tags that others imply, then caps what is left."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Collection, Generator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field

from curate import captions
from curate.core import registry
from curate.core.path_options import TagTable
from curate.core.record import Record
from curate.core.stage import Env, RecordStage, Resources, Worker
from curate.errors import InputError
from taggers import exports, implications
from taggers.errors import BadTableError

MANY = 20
"""Captions with more tags than this are warned about."""


class Prune(RecordStage):
    """Remove tags that a more specific tag implies (dog if german_shepherd is there), then limit their number."""

    implications: TagTable = Field(
        "danbooru", description="Table of implied tags: danbooru, e621, none, or a file or folder of exports."
    )
    keep: tuple[str, ...] = Field((), description="Tags that are never removed.")
    margin: float = Field(
        0.0,
        ge=0,
        le=1,
        description=(
            "Remove the specific tag instead if it scores lower than the implied tag by more than this; 0: never."
        ),
    )
    cap: int = Field(
        0,
        ge=0,
        description="Then keep at most this many tags, by score, not counting trigger words; 0: no limit.",
    )

    reads: ClassVar[frozenset[str]] = frozenset({"tags", "trigger", "scores"})
    writes: ClassVar[frozenset[str]] = frozenset({"tags", "notes"})
    resources: ClassVar[Resources] = Resources(cpus=0)

    @property
    def makes_captions(self) -> bool:
        """It only removes tags."""
        return False

    def problems(self) -> Mapping[str, str]:
        """A table that nobody knows."""
        wrong = registry.misnamed(self.implications, ("danbooru", "e621", "none"), "table")
        return {"implications": wrong} if wrong else {}

    def files(self, env: Env) -> Sequence[Path]:
        """The table, where it is a file."""
        return exports.files(self.implications)

    def key_fields(self, record: Record) -> Mapping[str, Any]:
        """Of the trigger words those that occur; scores only where margin or cap weigh them."""
        scores = record.scores.packed.hex() if self.margin or (self.cap and len(record.tags) > self.cap) else ""
        return {"tags": record.tags, "trigger": sorted(_trigger(record) & set(record.tags)), "scores": scores}

    @contextlib.contextmanager
    def open(self, env: Env) -> Generator[Worker]:
        """Reads the table and yields the worker."""
        try:
            table = exports.table(self.implications)
        except BadTableError as error:
            raise InputError(error.message, error.remedy) from error
        keep = frozenset(captions.canonical(t) for t in self.keep)
        yield lambda records: [self._pruned(r, table, keep) for r in records]

    def _pruned(self, record: Record, table: implications.Table, keep: Collection[str]) -> Record:
        trigger = _trigger(record)
        protected = trigger.union(keep)
        scores = record.scores.best() if self.margin or self.cap else {}
        left, removed = implications.prune(table, record.tags, protected, scores, self.margin)
        notes = [f"prune: {r}" for r in removed]
        capped = self._capped(left, trigger, protected, scores)
        if len(capped) < len(left):
            notes.append(f"prune: over the cap of {self.cap}: {', '.join(t for t in left if t not in capped)}")
        count = sum(t not in trigger for t in capped)
        if count > MANY:
            notes.append(f"prune: {count} tags are many for one caption (5 to {MANY} work best)")
        return dataclasses.replace(record.noting(*notes), tags=capped)

    def _capped(
        self, tags: tuple[str, ...], trigger: Collection[str], protected: Collection[str], scores: Mapping[str, float]
    ) -> tuple[str, ...]:
        over = sum(t not in trigger for t in tags) - self.cap
        if not self.cap or over <= 0:
            return tags
        free = sorted((scores.get(t, 1.0), -i, t) for i, t in enumerate(tags) if t not in protected)
        gone = {t for _, _, t in free[:over]}
        return tuple(t for t in tags if t not in gone)


def _trigger(record: Record) -> frozenset[str]:
    return frozenset(record.trigger) | {captions.canonical(t) for t in record.trigger}
