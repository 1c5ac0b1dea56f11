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
    """Put the trigger words first in every caption, in the given order, followed by pinned tags (--pin)."""

    words: tuple[str, ...] = Field((), description="Trigger words for all pictures, instead of those of their folders.")
    pin: tuple[str, ...] = Field(
        (), description="Tags to move right after the trigger words, in this order, in captions that have them."
    )
    class_word: bool = Field(
        default=False,
        description=("Add the concept's class word (from concepts:) after the trigger words, as a separate tag."),
    )

    reads: ClassVar[frozenset[str]] = frozenset({"tags", "trigger"})
    writes: ClassVar[frozenset[str]] = frozenset({"tags", "trigger"})
    resources: ClassVar[Resources] = Resources(cpus=0)
    concept_reads: ClassVar[frozenset[str]] = frozenset({"class_word"})

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
            concept = env.concepts.get(record.concept)
            kind = captions.canonical(concept.class_word) if self.class_word and concept else ""
            first = (*trigger, *([kind] if kind else []), *(p for p in pins if p in rest))
            return dataclasses.replace(record, trigger=trigger, tags=tuple(dict.fromkeys([*first, *rest])))

        yield lambda records: [one(r) for r in records]
