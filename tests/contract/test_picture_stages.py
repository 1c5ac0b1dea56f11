"""Stages that work on pictures are functions of what they say they read, and touch what they say they write."""

from __future__ import annotations

import dataclasses
import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from curate.core import registry
from curate.core.chain import project
from curate.core.record import FIELDS, Manifest, Record, to_plain
from curate.core.scores import Scores
from curate.core.stage import DatasetStage, RecordStage, Stage
from curate.executors.local import InProcess, Processes
from tests.contract.pictures import ELSEWHERE, OPTIONS, drawn_rows, environment, everything, is_light
from tests.contract.strategies import STAGES


def steps(kind: type[Stage]) -> list[Any]:
    """Every step of that kind that works on pictures or on all records, named by its stage."""
    made = [(name, part) for name in STAGES for part in registry.stage(name)(**OPTIONS.get(name, {})).parts()]
    return [
        pytest.param(part, id=part.name)
        for name, part in made
        if isinstance(part, kind) and name not in ELSEWHERE and not is_light(part)
    ]


EVERY = pytest.mark.parametrize("step", steps(RecordStage))


@pytest.fixture
def rows(tmp_path: Path) -> list[Record]:
    return drawn_rows(tmp_path)


def carried_out(step: RecordStage, groups: Sequence[Sequence[Record]], folder: Path) -> list[Any]:
    """What one worker gives for each of the groups: the written fields and the bytes of each picture."""
    where, results = environment(folder), []
    with step.open(where) as worker:
        for group in groups:
            for result in worker(group):
                pixels = where.held.get(result.key)
                seen = None if pixels is None else (pixels.shape, pixels.tobytes())
                results.append((result.key, to_plain(result, step.writes), seen))
            where.held.clear()
    return results


def shown(step: RecordStage, rows: Sequence[Record]) -> list[Record]:
    return [project(row, step) for row in rows]


@EVERY
def test_it_is_deterministic_wherever_it_is_carried_out(step: RecordStage, rows: list[Record], tmp_path: Path) -> None:
    first = carried_out(step, [[row] for row in shown(step, rows)], tmp_path)
    assert {key for key, _, _ in first} >= {row.key for row in rows} or step.name == "split"
    arrived = pickle.loads(pickle.dumps(step))
    assert arrived == step
    assert carried_out(arrived, [[row] for row in shown(step, rows)], tmp_path) == first


@EVERY
def test_a_batch_is_its_records_one_by_one(step: RecordStage, rows: list[Record], tmp_path: Path) -> None:
    """One worker, all records, in whatever order: none leaves a trace in the next."""
    alone = [row for one in shown(step, rows) for row in carried_out(step, [[one]], tmp_path)]
    several = step.requirements().batch > 1
    back = shown(step, rows)[::-1]
    together = carried_out(step, [back] if several else [[row] for row in back], tmp_path)
    order = {row.key: n for n, row in enumerate(rows)}
    assert sorted(together, key=lambda r: order.get(r[0], -1)) == sorted(alone, key=lambda r: order.get(r[0], -1))


@EVERY
def test_only_writes_change(step: RecordStage, rows: list[Record], tmp_path: Path) -> None:
    sources = {row.image.path: Path(row.image.path).read_bytes() for row in rows}
    where = environment(tmp_path)
    with step.open(where) as worker:
        for row in shown(step, rows):
            for result in worker([row]):
                different = {f for f in FIELDS if getattr(result, f) != getattr(row, f)}
                assert different - {"key"} <= step.writes
                assert result.key == row.key or step.requirements().batch == 1
    assert {path: Path(path).read_bytes() for path in sources} == sources


@EVERY
def test_unread_fields_do_not_matter(step: RecordStage, rows: list[Record], tmp_path: Path) -> None:
    """A worker that is handed whole records gives what it gives for what it reads."""
    other = {
        "encoding": "jpeg:80",
        "facts": {"had_alpha": True},
        "trigger": ("zwx",),
        "scores": Scores.pack({"m": {"dog": (0.5, "general")}}),
        "tags": ("dog", "sky"),
        "sentence": "A dog.",
        "imported": "dog, sky",
        "edited": "by hand",
        "repeats": 7,
        "notes": ("an old note",),
    }
    unread = {f: v for f, v in other.items() if f not in step.reads}
    strange = [dataclasses.replace(row, **unread) for row in rows]
    plain = carried_out(step, [[row] for row in shown(step, rows)], tmp_path)
    odd = carried_out(step, [[row] for row in strange], tmp_path)
    added = {"notes", "facts"} - step.reads
    for (key, fields, seen), (other_key, other_fields, other_seen) in zip(plain, odd, strict=True):
        assert (key, seen) == (other_key, other_seen)
        same = fields.keys() - added - unread.keys()
        assert {f: fields[f] for f in same} == {f: other_fields[f] for f in same}


@pytest.mark.parametrize("step", steps(DatasetStage))
def test_a_stage_over_all_records_is_deterministic_and_writes_what_it_says(
    step: DatasetStage, rows: list[Record], tmp_path: Path
) -> None:
    given = Manifest(rows)
    before = pickle.dumps(given)
    results = [
        step.run(given, environment(tmp_path), lambda event: None) for step in (step, pickle.loads(pickle.dumps(step)))
    ]
    assert list(results[0]) == list(results[1])
    assert pickle.dumps(given) == before
    for row, result in zip(given, results[0], strict=True):
        assert result.key == row.key
        assert {f for f in FIELDS if getattr(result, f) != getattr(row, f)} <= step.writes


def test_executors_agree(rows: list[Record], tmp_path: Path) -> None:
    """Every picture stage in one pass: in this process, on threads, in other processes; tests/executors has Ray."""
    executors = (InProcess(), InProcess(threads=2), Processes(2))
    results = [everything(executor, rows, tmp_path / str(n)) for n, executor in enumerate(executors)]
    assert results[0] == results[1] == results[2]
