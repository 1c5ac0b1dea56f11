"""Runs a record stage on files, the way a worker does."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from curate.core.record import Image, Record
from curate.core.stage import Env, Pixels, RecordStage
from curate.images import DOOR


def env(root: Path) -> Env:
    return Env(root=root, output=root, door=DOOR)


def record(path: Path, key: str = "", concept: str = "dog") -> Record:
    return Record(
        key=key or f"{concept}/{path.name}", concept=concept, origin=path.name, image=Image(path.name, str(path))
    )


def held(where: Env, pixels: Pixels, key: str = "dog/a.png", concept: str = "dog") -> Record:
    """A record whose picture is in memory."""
    return where.keep(Record(key=key, concept=concept, origin=key, image=Image("")), np.ascontiguousarray(pixels))


def run(stage: RecordStage, where: Env, *records: Record) -> list[Record]:
    with stage.open(where) as work:
        return list(work(records))
