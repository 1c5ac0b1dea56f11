"""Stage trigger: puts trigger words first, pinned tags next."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Generator
from typing import ClassVar

from pydantic import Field

from curate import captions
from curate.core.record import Record
from curate.core.stage import Env, RecordStage, Resources, Worker


class Trigger(RecordStage):
    """Puts the trigger words first in every caption, in their order, and pinned tags after them."""

    words: tuple[str, ...] = Field((), description="Trigger words for all pictures, instead of those of their folders.")
    pin: tuple[str, ...] = Field(
        (), description="Tags that follow the trigger words wherever a caption has them, in this order."
    )

    reads: ClassVar[frozenset[str]] = frozenset({"tags", "trigger"})
    writes: ClassVar[frozenset[str]] = frozenset({"tags", "trigger"})
    resources: ClassVar[Resources] = Resources(cpus=0)

    @contextlib.contextmanager
    def open(self, env: Env) -> Generator[Worker]:
        """Yields the worker; nothing is loaded for it."""
        words = tuple(dict.fromkeys(w for w in (" ".join(w.split()) for w in self.words) if w))
        pins = tuple(dict.fromkeys(captions.canonical(p) for p in self.pin if p.strip()))

        def one(record: Record) -> Record:
            trigger = words or record.trigger
            old = {t.casefold() for t in (*trigger, *record.trigger)} | {
                captions.canonical(t).casefold() for t in (*trigger, *record.trigger)
            }
            rest = [t for t in record.tags if t.casefold() not in old]
            pinned = [p for p in pins if p in rest]
            others = [t for t in rest if t not in pins]
            return dataclasses.replace(record, trigger=trigger, tags=tuple(dict.fromkeys([*trigger, *pinned, *others])))

        yield lambda records: [one(r) for r in records]
