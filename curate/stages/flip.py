"""Stage flip: mirrors the listed files, so that an asymmetric subject faces one way."""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from pydantic import Field

from curate import picture_names
from curate.core.events import Listener, Note
from curate.core.record import Manifest, Record
from curate.core.stage import Env, RecordStage, Resources, Worker
from curate.images import masks


class Flip(RecordStage):
    """Mirror pictures left to right: only those you list (--pictures, or `flip:` in the concept)."""

    pictures: tuple[str, ...] = Field(
        default=(),
        description=(
            "Pictures to mirror in addition to those under `concepts:`: file names, paths inside the "
            "concept folder, or patterns such as a*.png."
        ),
    )

    resources: ClassVar[Resources] = Resources(cpus=1)
    reads: ClassVar[frozenset[str]] = frozenset({"image", "mask"})
    writes: ClassVar[frozenset[str]] = frozenset({"image", "facts", "mask"})
    concept_reads: ClassVar[frozenset[str]] = frozenset({"flip"})

    def key_fields(self, record: Record) -> Mapping[str, Any]:
        """The picture and its key: equal pictures under other names may be listed differently."""
        return {"image": record.image.digest, "mask": record.mask, "key": record.key}

    def check_records(self, manifest: Manifest, env: Env, tell: Listener) -> None:
        """Warns of every listed name that means no picture."""
        for line in picture_names.warnings("pictures", self.pictures, (r.key for r in manifest)):
            tell(Note("warning", line, self.name))
        for concept in sorted({r.concept for r in manifest} & set(env.concepts)):
            keys = [r.key for r in manifest if r.concept == concept]
            for line in picture_names.warnings("flip", env.concepts[concept].flip, keys, concept):
                tell(Note("warning", line, self.name))

    @contextlib.contextmanager
    def open(self, env: Env) -> Generator[Worker]:
        """Yields the worker; nothing is loaded for it."""

        def one(record: Record) -> Record:
            concept = env.concepts.get(record.concept)
            if picture_names.match(record.key, (*self.pictures, *(concept.flip if concept else ()))) is None:
                return record
            mirrored = np.ascontiguousarray(env.pixels(record)[:, ::-1])
            record = masks.follow(record, env, lambda p: p[:, ::-1])
            return env.keep(record, mirrored).noting(flipped=True)

        def work(records: Sequence[Record]) -> Sequence[Record]:
            return [one(record) for record in records]

        yield work
