"""report.json: what the HTML report says, for programs. Its fields are stable.

`version` is raised when a field changes its meaning or goes; new fields may come without that. Every field is always
there. Keys of pictures are those of the folder that a run read (`dog/park.jpg`). Shares lie between 0 and 1.

    format          "curate report"
    version         1
    curate          the version of curate
    date            when the run or command ended, local time; "" if unknown
    counts          pictures, prepared, set_aside, edited (captions), to_edit (pictures; null if nobody inspected them)
    advice          level ("warning", "advice" or "info"), stage, message, pictures
    checks          traps (check, message, remedy, places, pictures) and not_checked (check, reason, remedy), as
                    `curate check --json` has them; null if nothing was checked
    concepts        name, trigger, pictures, prepared, repeats (a list), weight, shown_per_epoch, share,
                    share_before (if each picture were shown once)
    resolution      of the buckets, in pixels
    buckets         width, height, pictures, enlarged, cropped (mean share), cropped_most, shown_per_epoch
    tags            concept, tag, pictures
    tag_pairs       concept, tags (two), pictures (with both), share (of the pictures with either)
    pictures        key, concept, file (inside the folder; null if unknown), width, height, repeats,
                    caption, before (the caption before, null if unknown), before_source ("original", "tagger" or
                    "generated"), removed, added (tags), marks (badges), faults (by name, with the reason)
    set_aside       key, stage, reason
    duplicates      picture, kept, kind ("equal" or "near"), likeness
    cleaning        decisions of denoise and upscale, as in the summary; {} without these stages
    trainings       id, base, date, finished, loras (paths), settings, losses (by name, as [step, loss]),
                    samples (path, step, prompt), the latest last
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

from curate.report import cleaning, health
from curate.report.badges import badges, faults
from curate.report.caption_changes import caption_change, caption_text
from curate.report.concepts import by_concept
from curate.report.page import Page
from curate.report.tag_pairs import tag_pairs
from curate.report.training_run import TrainingRun

FORMAT, VERSION = "curate report", 1


_Many = Callable[[Iterator[Any]], Any]


def report_values(page: Page, many: _Many = list) -> dict[str, Any]:
    """The report's values; `many` makes a value of what there is of each picture, of which there may be a million."""
    present = page.manifest.present
    inspected = any("triage" in record.facts for record in page.manifest)
    return {
        "format": FORMAT,
        "version": VERSION,
        "curate": metadata.version("curate"),
        "date": page.date,
        "counts": {
            "pictures": page.figures["pictures"],
            "prepared": len(present),
            "set_aside": len(page.figures["aside"]),
            "edited": sum(record.edited is not None for record in present),
            "to_edit": sum(bool(faults(record)) for record in present) if inspected else None,
        },
        "advice": list(_advice(page, many)),
        "checks": _checks(page, many),
        "concepts": list(_concepts(page)),
        "resolution": page.fitting.resolution,
        "buckets": list(_buckets(page)),
        "tags": [
            {"concept": name, "tag": tag, "pictures": count}
            for name, rows in by_concept(present)
            for tag, count in health.frequencies(rows)
        ],
        "tag_pairs": [
            {"concept": name, "tags": [p.first, p.second], "pictures": p.pictures, "share": round(p.share, 4)}
            for name, rows in by_concept(present)
            for p in tag_pairs(rows).closest
        ],
        "pictures": many(_pictures(page)),
        "set_aside": page.figures["aside"],
        "duplicates": page.figures.get("duplicates", []),
        "cleaning": cleaning.figures(page.manifest),
        "trainings": [_training(run) for run in page.trainings],
    }


def is_report(path: Path) -> bool:
    """Whether the file is a report of ours, so that another may be written over it."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))["format"] == FORMAT
    except (OSError, ValueError, TypeError, KeyError):
        return False


def _advice(page: Page, many: _Many) -> Iterator[dict[str, Any]]:
    for one in health.advice(page.manifest, page.concepts, page.fitting, numbers=not page.judges_numbers):
        yield {"level": "advice", "stage": "", "message": one.message, "pictures": many(iter(one.pictures))}
    for note in page.figures["notes"]:
        yield {name: note[name] for name in ("level", "stage", "message", "pictures")}


def _checks(page: Page, many: _Many) -> dict[str, Any] | None:
    if page.checks is None:
        return None
    lists = ("places", "pictures")
    traps = [{**trap, **{name: many(iter(trap[name])) for name in lists}} for trap in page.checks["traps"]]
    return {"traps": traps, "not_checked": page.checks["not_checked"]}


def _concepts(page: Page) -> Iterator[dict[str, Any]]:
    triggers = {name: list(rows[0].trigger) for name, rows in by_concept(page.manifest)}
    for share in health.shares(page.manifest, page.concepts):
        yield {
            "name": share.concept,
            "trigger": triggers[share.concept],
            "pictures": share.came,
            "prepared": share.pictures,
            "repeats": list(share.repeats),
            "weight": share.weight,
            "shown_per_epoch": share.showings,
            "share": round(share.part, 4),
            "share_before": round(share.part_before, 4),
        }


def _buckets(page: Page) -> Iterator[dict[str, Any]]:
    for bucket in health.bucketed(page.manifest.present, page.fitting):
        yield {
            "width": bucket.size[0],
            "height": bucket.size[1],
            "pictures": bucket.pictures,
            "enlarged": bucket.enlarged,
            "cropped": round(bucket.cropped, 4),
            "cropped_most": round(bucket.cropped_most, 4),
            "shown_per_epoch": bucket.showings,
        }


def _pictures(page: Page) -> Iterator[dict[str, Any]]:
    copies = Counter(str(record.facts.get("duplicate_of", "")) for record in page.manifest if record.aside)
    by_tags = set(page.figures.get("edited_with_tags", ()))
    for record in page.manifest.present:
        change = caption_change(record)
        marks = badges(record, copies[record.key], by_tags=record.key in by_tags)
        yield {
            "key": record.key,
            "concept": record.concept,
            "file": page.files.get(record.key),
            "width": record.image.width or None,
            "height": record.image.height or None,
            "repeats": record.repeats,
            "caption": caption_text(record),
            "before": ", ".join(piece.text for piece in change.before) if change else None,
            "before_source": change.source if change else None,
            "removed": change.removed if change else [],
            "added": change.added if change else [],
            "marks": [one.kind or one.word for one in marks],
            "faults": dict(faults(record)),
        }


def _training(run: TrainingRun) -> dict[str, Any]:
    return {
        "id": run.id,
        "base": run.base,
        "date": run.date,
        "finished": run.finished,
        "loras": [str(path) for path in run.loras],
        "settings": dict(run.settings),
        "losses": {name: [list(point) for point in points] for name, points in run.losses.items()},
        "samples": [{"path": str(s.path), "step": s.step, "prompt": s.prompt} for s in run.samples],
    }
