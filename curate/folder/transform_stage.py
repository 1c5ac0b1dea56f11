"""Transform stage: carries out what a person asked for pictures, before anything else is done with them."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
from collections.abc import Generator, Mapping, Sequence
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from pydantic import Field, SerializeAsAny

from curate.core.record import Record
from curate.core.stage import Env, Pixels, RecordStage, Resources, Worker
from curate.core.transform import Transform
from curate.core.user_changes import TRANSFORMED, UNTRANSFORMED
from curate.errors import InputError, PictureError
from curate.images import masks
from curate.images.duplicates import VERSION
from curate.names import source_key

NOT_TRANSFORMED = "not_transformed"
"""The fact that says why a transform was left out."""


class TransformStage(RecordStage):
    """Turns, mirrors and crops the pictures for which a person asked that; others pass it by.

    With `entry`, the stage by which pictures come in, it stands first: it reads files as that does, once, and the stage
    itself then finds the picture in memory. Without it stands behind a stage that makes parts of pictures.
    """

    transforms: tuple[tuple[str, Transform], ...] = Field(description="What is asked for, by the record's key.")
    entry: SerializeAsAny[RecordStage] | None = Field(default=None, description="The stage by which pictures come in.")
    keeps_encoding: bool = Field(default=False, description="Whether `entry` does not say how pictures are written.")
    keeps_picture: bool = Field(default=False, description="Whether a later stage looks at the picture before.")

    unkeyed: ClassVar[frozenset[str]] = frozenset({"transforms"})
    resources: ClassVar[Resources] = Resources(cpus=1)
    reads: ClassVar[frozenset[str]] = frozenset({"image", "mask", "facts", "encoding"})
    writes: ClassVar[frozenset[str]] = frozenset({"image", "mask", "facts", "encoding", "notes"})

    @property
    def name(self) -> str:
        """The name in results and events."""
        return "instructions"

    def key_options(self) -> dict[str, Any]:
        """What `entry` makes of files is a part of the result."""
        entry = self.entry
        return {
            "entry": [entry.name, entry.version, entry.key_options()] if entry else None,
            "keeps_encoding": self.keeps_encoding,
            **({"keeps_picture": VERSION} if self.keeps_picture else {}),
        }

    def key_fields(self, record: Record) -> Mapping[str, Any]:
        """The transforms that concern the record take part."""
        return {**super().key_fields(record), "transforms": self._of(record)}

    def applies_to(self, record: Record) -> bool:
        """Whether anything is asked for the picture, or for a part that `entry` makes of it."""
        return bool(self._of(record)) and record.facts.get(TRANSFORMED, {}).get("part") != _part(record.key)

    def files_exist(self, records: Sequence[Record], env: Env) -> bool:
        """Whether masks and the pictures before are still there."""
        kept = [env.root / r.facts[UNTRANSFORMED]["path"] for r in records if UNTRANSFORMED in r.facts]
        return super().files_exist(records, env) and all(path.is_file() for path in kept)

    @contextlib.contextmanager
    def open(self, env: Env) -> Generator[Worker]:
        """Yields the worker."""
        with contextlib.ExitStack() as stack:
            enter = stack.enter_context(self.entry.open(env)) if self.entry else list[Record]

            def work(records: Sequence[Record]) -> Sequence[Record]:
                return [done for record in records for done in self._one(record, env, enter)]

            yield work

    def _one(self, record: Record, env: Env, enter: Worker) -> Sequence[Record]:
        entered = enter([record])
        if self.keeps_encoding:
            entered = [dataclasses.replace(one, encoding=record.encoding) for one in entered]
        done = [self._transformed(one, env) for one in entered]
        reason = done[0].facts.get(NOT_TRANSFORMED, "") if len(done) == 1 else ""
        if not reason:
            return done
        # as if nothing had been asked: the file itself goes on
        env.held.pop(record.key, None)
        return [record.noting(**{NOT_TRANSFORMED: reason})]

    def _transformed(self, record: Record, env: Env) -> Record:
        transform = self._by_key.get(record.key) or self._by_key.get(source_key(record.key))
        if transform is None:
            return record
        pixels = env.pixels(record)
        height, width = pixels.shape[:2]

        def change_mask(mask: Pixels) -> Pixels:
            return transform.apply(masks.fitted(mask, width, height))

        try:
            changed = np.ascontiguousarray(transform.apply(pixels))
        except InputError as error:
            return record.noting(**{NOT_TRANSFORMED: error.message})
        # what cannot be read is told of where masks are written
        with contextlib.suppress(PictureError):
            record = masks.follow(record, env, change_mask)
        facts: dict[str, Any] = {TRANSFORMED: {"part": _part(record.key), **transform.to_plain()}}
        if self.keeps_picture:
            facts[UNTRANSFORMED] = {"part": _part(record.key), **_kept(pixels, env)}
        return env.keep(record, changed).noting(f"{', '.join(transform.words)} as you asked", **facts)

    def _of(self, record: Record) -> list[Any]:
        """The transforms that concern a record, as the key takes them: its own, and those of parts to come."""
        own = self._by_key.get(record.key)
        found = [["", own.to_plain()]] if own else []
        return found + (self._by_source.get(record.key, []) if self.entry else [])

    @cached_property
    def _by_key(self) -> dict[str, Transform]:
        return dict(self.transforms)

    @cached_property
    def _by_source(self) -> dict[str, list[Any]]:
        found: dict[str, list[Any]] = {}
        for key, transform in sorted(self._by_key.items(), key=lambda one: one[0]):
            if part := _part(key):
                found.setdefault(source_key(key), []).append([part, transform.to_plain()])
        return found


def _kept(pixels: Pixels, env: Env) -> dict[str, Any]:
    """The picture's file in the ledger folder, named by its content, and its fingerprint."""
    from curate.images.duplicates.fingerprint import fingerprint

    name = hashlib.sha256(repr(pixels.shape).encode() + pixels.tobytes()).hexdigest()[:40]
    path = f"objects/{name[:2]}/{name}-before.png"
    env.add_file(path, lambda p: env.pictures.write(pixels, p, "png"))
    return {"path": path, "fingerprint": fingerprint(pixels)}


def _part(key: str) -> str:
    """Which part of a picture a record is: `#2`, or "" for the whole."""
    return key[len(source_key(key)) :]
