"""The summary of a run as values: what came in, what went out, what was set aside and why, what to do next."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from curate.core.counting import counted
from curate.core.events import Note
from curate.core.record import Manifest, Record
from curate.names import source_key
from curate.report import cleaning
from curate.report.set_aside import aside_rows, duplicate_rows
from curate.report.tally import StageRow, Tally


def summarise(
    tally: Tally,
    manifest: Manifest | None,
    where: Mapping[str, str | Path],
    next_command: str = "",
    *,
    dry_run: bool = False,
    by_tags: Collection[str] = (),
) -> dict[str, Any]:
    """The summary as JSON-able values; `manifest` is the final one, None where the run did not get that far.

    `by_tags` are the keys of pictures whose edited caption is as `curate tags` left it.
    """
    rows = manifest if manifest is not None else Manifest()
    edited = [r.key for r in rows if r.edited is not None and not r.aside]
    return {
        "status": tally.end.status if tally.end else "unknown",
        "dry_run": dry_run,
        "pictures": tally.pictures if tally.pictures is not None else len(rows),
        "concepts": tally.concepts,
        "prepared": _prepared(tally, manifest),
        "aside": aside_rows(tally, rows),
        "duplicates": duplicate_rows(rows),
        "origins": {r.key: r.origin for r in rows if r.aside and r.origin},
        "computed": tally.computed,
        "recalled": sum(row.recalled for row in tally.rows),
        "edited": edited,
        "edited_with_tags": [key for key in edited if key in by_tags],
        "changed": _changed(rows),
        "instructions": tally.instructions,
        "split": _split(rows),
        "added": list(tally.added),
        "removed": list(tally.removed),
        "stages": [_stage(row) for row in tally.rows],
        "titles": dict(tally.titles),
        "cleaning": cleaning.figures(rows),
        "training": _training(tally),
        "notes": _grouped(tally.notes),
        "seconds": seconds(tally),
        "saved": [{"kind": s.kind, "path": s.path} for s in tally.saved if s.kind != "checkpoint"],
        "where": {name: str(path) for name, path in where.items()},
        "next": next_command,
    }


def seconds(tally: Tally) -> float | None:
    """How long the run took; None where it has not ended."""
    return round(tally.end.seconds, 3) if tally.end else None


def _prepared(tally: Tally, manifest: Manifest | None) -> int:
    if manifest is not None:
        return len(manifest.present)
    return tally.end.prepared if tally.end else 0


def title(figures: Mapping[str, Any], stage: str) -> str:
    """What people call a stage; figures of an older run have its name alone."""
    return figures.get("titles", {}).get(stage, stage)


_CHANGES = {"cropped": "crop", "mirrored": "flipped"}
"""What was done to pictures, by the fact that stages leave on a record."""


def _changed(records: Sequence[Record]) -> dict[str, list[str]]:
    """Which pictures were cropped and which mirrored: what a person wants to look at again."""
    names = {what: [r.key for r in records if r.facts.get(fact)] for what, fact in _CHANGES.items()}
    return {what: keys for what, keys in names.items() if keys}


def _split(records: Sequence[Record]) -> dict[str, int]:
    """How many pictures each of those became that were taken apart: figures of a sheet, frames of an animation."""
    return dict(Counter(whole for r in records if (whole := source_key(r.key)) != r.key))


def _stage(row: StageRow) -> dict[str, Any]:
    return {
        "stage": row.stage,
        "turn": row.turn,
        "computed": row.computed,
        "recalled": row.recalled,
        "aside": row.aside,
        "seconds": round(row.seconds, 3),
        "finished": not row.running,
    }


def trained(training: Mapping[str, Any]) -> str:
    """How far a training came, in words."""
    said = f"{training['step']:,} of {counted(training['steps'], 'step')}, loss {training['average']:.4f} on average"
    if not training["validation"]:
        return said
    (_, last), (step, lowest) = training["validation"][-1], min(training["validation"], key=lambda point: point[1])
    best = f" (lowest {lowest:.4f} at step {step:,})" if lowest < last else ""
    return f"{said}, validation loss {last:.4f}{best}"


def _training(tally: Tally) -> dict[str, Any] | None:
    if not tally.step:
        return None
    step = tally.step
    return {
        "step": step.step,
        "steps": step.steps,
        "loss": step.loss,
        "average": step.average,
        "curve": [list(p) for p in tally.curve],
        "validation": [list(p) for p in tally.validation],
    }


def _grouped(notes: Sequence[Note]) -> list[dict[str, Any]]:
    """Notes with the same words are one, with all the pictures they concern."""
    groups: dict[tuple[str, str, str], dict[str, None]] = {}
    for note in notes:
        keys = groups.setdefault((note.level, note.stage, note.message), {})
        if note.key:
            keys[note.key] = None
    return [{"level": lv, "stage": st, "message": ms, "pictures": [*keys]} for (lv, st, ms), keys in groups.items()]
