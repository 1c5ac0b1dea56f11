"""Records, and stages without a runner."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from curate.core.record import Image, Record
from curate.core.scores import Scores
from curate.core.stage import Concept, Env, RecordStage
from tests.cleaners.conftest import picture, weights

__all__ = ["picture", "weights"]

Apply = Callable[..., Record]


class Red:
    """Picture files that are all red, but for those called broken."""

    def read(self, path: Path) -> np.ndarray:
        if "broken" in path.name:
            raise OSError("truncated")
        return np.full((30, 40, 3), (200, 30, 30), np.uint8)

    def write(self, pixels: np.ndarray, path: Path, encoding: str) -> None:
        raise AssertionError("these stages write no picture")


@pytest.fixture
def env(tmp_path: Path) -> Env:
    concepts = {"dogs": Concept(trigger=("zwx dog",), absorb=("brown fur",))}
    return Env(root=tmp_path, output=tmp_path, pictures=Red(), device="cpu", concepts=concepts)


def project(record: Record, stage: RecordStage) -> Record:
    """What the runner shows a stage: what it reads."""
    blank = Record(record.key, record.concept, record.origin, Image(""))
    return dataclasses.replace(blank, **{f: getattr(record, f) for f in stage.reads})


@pytest.fixture
def apply(env: Env) -> Apply:
    """Runs a stage's parts over one record as a runner would: only what it declares is read and written."""

    def run(stage: RecordStage, record: Record) -> Record:
        for part in stage.parts():
            assert isinstance(part, RecordStage)
            with part.open(env) as worker:
                (after,) = worker([project(record, part)])
            record = dataclasses.replace(
                record, **{f: getattr(after, f) for f in part.writes - {"notes"}}, notes=record.notes + after.notes
            )
        return record

    return run


def make(*tags: str, scores: dict[str, Any] | None = None, **fields: Any) -> Record:
    packed = (
        Scores.pack({"m": {t: v if isinstance(v, tuple) else (v, "general") for t, v in (scores or {}).items()}})
        if scores
        else Scores()
    )
    given: dict[str, Any] = {"concept": "dogs", "trigger": ("zwx dog",), **fields}
    return Record("dogs/a.png", origin="o", image=Image("d", "a.png", 40, 30), tags=tags, scores=packed, **given)


@pytest.fixture
def record() -> Callable[..., Record]:
    return make
