"""Stages that work on captions alone are functions of what they say they read, and touch what they say they write."""

from __future__ import annotations

import dataclasses
import json
import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from curate.core.chain import merge, project
from curate.core.record import FIELDS, Record, from_plain, to_plain
from curate.core.stage import Concept, RecordStage
from tests.contract.strategies import caption_kinds, concepts, drawn_stage, env, light, records

KINDS = caption_kinds()
EVERY = pytest.mark.parametrize("name", KINDS)
often = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
always = frozenset({"key", "concept", "origin"})


def steps(name: str, data: st.DataObject) -> list[RecordStage]:
    return light(drawn_stage(name, data))


def apply(
    step: RecordStage, rows: Sequence[Record], folder: Path, said: dict[str, Concept] | None = None
) -> list[Record]:
    """What a worker returns for records as a runner shows them, whole."""
    with step.open(env(folder, said)) as worker:
        return list(worker([project(r, step) for r in rows]))


def written(step: RecordStage, result: Record) -> dict[str, Any]:
    return to_plain(result, step.writes)


def test_there_are_caption_stages() -> None:
    assert {"captions", "prune", "trigger", "tag"} <= set(KINDS)


@EVERY
@given(data=st.data(), record=records(), said=concepts())
@often
def test_it_is_deterministic_and_one_for_one(
    tmp_path: Path, name: str, data: st.DataObject, record: Record, said: Any
) -> None:
    for step in steps(name, data):
        first = apply(step, [record], tmp_path, said)
        assert len(first) == 1
        assert apply(pickle.loads(pickle.dumps(step)), [record], tmp_path, said) == first


@EVERY
@given(data=st.data(), record=records(), said=concepts())
@often
def test_only_writes_change(tmp_path: Path, name: str, data: st.DataObject, record: Record, said: Any) -> None:
    for step in steps(name, data):
        shown = project(record, step)
        (result,) = apply(step, [record], tmp_path, said)
        different = {f for f in FIELDS if getattr(result, f) != getattr(shown, f)}
        assert different <= step.writes
        whole = merge(record, result, step)
        assert {f for f in FIELDS if getattr(whole, f) != getattr(record, f)} <= step.writes
        assert set(record.notes) <= set(whole.notes)


@EVERY
@given(data=st.data(), record=records(), other=records(), said=concepts())
@often
def test_unread_fields_do_not_matter(
    tmp_path: Path, name: str, data: st.DataObject, record: Record, other: Record, said: Any
) -> None:
    """A worker that is handed whole records gives what it gives for what it reads."""
    for step in steps(name, data):
        unread = [f for f in FIELDS if f not in step.reads | always]
        strange = dataclasses.replace(record, **{f: getattr(other, f) for f in unread})
        with step.open(env(tmp_path, said)) as worker:
            (plain,), (odd,) = worker([project(record, step)]), worker([strange])
        for field in step.writes - {"notes", "facts"} - set(unread):
            assert getattr(odd, field) == getattr(plain, field), field
        kept = {
            f
            for f in step.writes & set(unread) - {"notes", "facts"}
            if getattr(plain, f) != getattr(project(record, step), f)
        }
        for field in kept:
            assert getattr(odd, field) == getattr(plain, field), field


@EVERY
@given(data=st.data(), record=records(), other=records(), said=concepts())
@often
def test_the_same_view_means_the_same_result(
    tmp_path: Path, name: str, data: st.DataObject, record: Record, other: Record, said: Any
) -> None:
    """A result is recalled by the view alone: records that share it must share what is written."""
    for step in steps(name, data):
        (plain,) = apply(step, [record], tmp_path, said)
        for field in sorted(step.reads):
            near = dataclasses.replace(record, **{field: getattr(other, field)})
            if _json(step.key_fields(near)) == _json(step.key_fields(record)):
                (result,) = apply(step, [near], tmp_path, said)
                assert written(step, result) == written(step, plain), field


@EVERY
@given(data=st.data(), rows=st.lists(records(), max_size=4), said=concepts())
@often
def test_a_batch_is_its_records_one_by_one(
    tmp_path: Path, name: str, data: st.DataObject, rows: list[Record], said: Any
) -> None:
    for step in steps(name, data):
        together = apply(step, rows, tmp_path, said)
        assert together == [new for row in rows for new in apply(step, [row], tmp_path, said)]


@EVERY
@given(data=st.data(), record=records())
@often
def test_views_and_results_survive_the_ledger(tmp_path: Path, name: str, data: st.DataObject, record: Record) -> None:
    for step in steps(name, data):
        assert set(step.key_fields(record)) <= set(step.reads) | {"trigger", "scores", "imported"}
        json.dumps(_json(step.key_fields(record)), allow_nan=False)
        (result,) = apply(step, [record], tmp_path)
        whole = merge(record, result, step)
        assert from_plain(json.loads(json.dumps(_json(to_plain(whole, step.writes)))), record) == whole


@EVERY
@given(data=st.data(), record=records(), said=concepts(), other=concepts())
@often
def test_only_what_it_reads_of_a_concept_matters(
    tmp_path: Path, name: str, data: st.DataObject, record: Record, said: Any, other: Any
) -> None:
    for step in steps(name, data):
        mixed = {
            c: other[c].model_copy(update={f: getattr(said[c], f) for f in step.concept_reads}) for c in ("dog", "robe")
        }
        assert apply(step, [record], tmp_path, said) == apply(step, [record], tmp_path, mixed)


@EVERY
@given(data=st.data(), record=records(), said=concepts())
@often
def test_tags_stay_unique_and_triggers_stay(
    tmp_path: Path, name: str, data: st.DataObject, record: Record, said: Any
) -> None:
    """No rule drops or doubles a trigger word, and no caption says a tag twice."""
    for step in steps(name, data):
        (result,) = apply(step, [record], tmp_path, said)
        if result.aside or "tags" not in step.writes:
            continue
        assert len(set(result.tags)) == len(result.tags)
        if "tags" in step.reads:
            lost = {t for t in record.trigger if t in record.tags} - set(result.tags)
            assert not lost or set(result.trigger) != set(record.trigger)


def _json(value: Any) -> Any:
    return json.loads(json.dumps(value, default=list))
