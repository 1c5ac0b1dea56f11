"""Stage flip: mirrors the listed files, so that an asymmetric subject faces one way."""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import PurePosixPath
from typing import Any, ClassVar

import numpy as np
from pydantic import Field

from curate.core.record import Record
from curate.core.stage import Env, RecordStage, Resources, Worker


class Flip(RecordStage):
    """Mirrors the pictures listed here, or under `flip:` of their concept, left to right."""

    pictures: tuple[str, ...] = Field(
        default=(), description="Pictures to mirror, with those of `concepts:`: names, paths in the concept, or patterns."
    )

    resources: ClassVar[Resources] = Resources(cpus=1)
    reads: ClassVar[frozenset[str]] = frozenset({"image"})
    writes: ClassVar[frozenset[str]] = frozenset({"image", "facts"})
    concept_reads: ClassVar[frozenset[str]] = frozenset({"flip"})

    def view(self, record: Record) -> Mapping[str, Any]:
        """The picture and its key: equal pictures under other names may be listed differently."""
        return {"image": record.image.digest, "key": record.key}

    @contextlib.contextmanager
    def open(self, env: Env) -> Generator[Worker]:
        """Yields the worker; nothing is loaded for it."""

        def one(record: Record) -> Record:
            concept = env.concepts.get(record.concept)
            if not _listed(record, (*self.pictures, *(concept.flip if concept else ()))):
                return record
            mirrored = np.ascontiguousarray(env.pixels(record)[:, ::-1])
            return env.keep(record, mirrored).noting(flipped=True)

        def work(records: Sequence[Record]) -> Sequence[Record]:
            return [one(record) for record in records]

        yield work


def _listed(record: Record, patterns: Sequence[str]) -> bool:
    """Whether a pattern is the file's name, with or without suffix, or its path in the concept; frames follow their file."""
    path = PurePosixPath(record.key.partition("/")[2] or record.key)
    name = path.name.partition("#")[0] if "#" in path.suffix else path.name
    inside = path.with_name(name)
    names = {str(inside), inside.name, inside.stem, str(inside.with_suffix("")), record.key}
    return any(fnmatchcase(name, pattern) for pattern in patterns for name in names)
