"""Dataset results: what a stage made of all records together, as it is stored and as it is put back on them."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

from curate.core.chain import joined
from curate.core.record import Manifest, Record, changed, to_plain, typed
from curate.core.results import stored_fields
from curate.core.stage import DatasetStage


def dataset_results(before: Manifest, after: Manifest, stage: DatasetStage) -> list[Any]:
    """The changes, each with the records that have it: first place, number, first place, number …

    Places are among the records that were not set aside before: their keys and order are a part of the result's key.
    Of those set aside, the changes stand apart, by key.
    """
    fields = sorted(stage.writes)
    runs: dict[str, list[int]] = {}
    others: dict[str, Any] = {}
    place = -1
    for old, new in zip(before, after, strict=True) if after is not before else ():
        place += not old.aside
        if new == old:
            continue
        plain = to_plain(stored_fields(old, [new], stage)[0], fields)
        if old.aside:
            others[new.key] = plain
            continue
        run = runs.setdefault(json.dumps(plain), [])
        if run and run[-2] + run[-1] == place:
            run[-1] += 1
        else:
            run += (place, 1)
    return [[[json.loads(plain), run] for plain, run in runs.items()], others]


def with_results(manifest: Manifest, results: Any, stage: DatasetStage) -> Manifest:
    """The manifest with stored results; a copy of it where there are none."""
    if not results or results == [[], {}]:
        return copy.copy(manifest)
    if isinstance(results, dict):  # as ledgers have it that were written before there were runs
        return Manifest(_changed(r, typed(results[r.key]), stage) if r.key in results else r for r in manifest)
    return Manifest(_with_runs(manifest, results[0], results[1], stage), unique=True)


def _with_runs(
    manifest: Manifest, runs: list[tuple[dict[str, Any], list[int]]], others: dict[str, Any], stage: DatasetStage
) -> Iterator[Record]:
    changes = [typed(plain) for plain, _ in runs]
    spans = sorted((run[n], run[n + 1], which) for which, (_, run) in enumerate(runs) for n in range(0, len(run), 2))
    each = ((start + n, which) for start, count, which in spans for n in range(count))
    following = next(each, None)
    place = -1
    for record in manifest:
        place += not record.aside
        if record.aside:
            yield _changed(record, typed(others[record.key]), stage) if record.key in others else record
        elif following is not None and following[0] == place:
            yield _changed(record, changes[following[1]], stage)
            following = next(each, None)
        else:
            yield record


def _changed(record: Record, changes: dict[str, Any], stage: DatasetStage) -> Record:
    return changed(record, joined(record, dict(changes), stage))
