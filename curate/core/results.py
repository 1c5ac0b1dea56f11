"""Results: what a stage made of a record, as it is stored and as it is put back on a record."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from curate.core.chain import joined
from curate.core.record import Record, changed, typed
from curate.core.stage import RecordStage, Stage


def restore(record: Record, row: dict[str, Any], stage: RecordStage) -> Record:
    """The record with a stored result; it is stored without the key, since equal pictures share it."""
    changes = typed(row)
    changes["key"] = record.key + changes.pop("part")
    return changed(record, joined(record, changes, stage))


def stored_fields(old: Record, news: Sequence[Record], stage: Stage) -> list[Record]:
    """The results as they are stored: of facts and notes that are only added to, the additions alone."""
    stored: list[Record] = []
    for new in news:
        changes: dict[str, Any] = {}
        if "facts" in stage.writes - stage.reads:
            changes["facts"] = {k: v for k, v in new.facts.items() if k not in old.facts or old.facts[k] != v}
        if "notes" in stage.writes - stage.reads:
            changes["notes"] = tuple(n for n in new.notes if n not in old.notes)
        stored.append(dataclasses.replace(new, **changes) if changes else new)
    return stored


def with_digest(record: Record, key: str, part: int) -> Record:
    """A picture still in memory is identified by the step that made it."""
    if record.image.digest or record.image.path:
        return record
    return dataclasses.replace(record, image=dataclasses.replace(record.image, digest=f"{key}#{part}" if part else key))
