"""The closing summary: what came in, what went out, what was set aside and why, where things are, what to do next."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

from rich.text import Text

from curate.core.counting import counted
from curate.core.events import Note
from curate.core.record import Manifest, Record
from curate.report import cleaning, instructions
from curate.report.set_aside import aside_rows, duplicate_rows
from curate.report.tally import StageRow, Tally
from curate.report.text import console, listed, span, visible

_NAMED = 20
_HEADS = {"failed": "Failed", "interrupted": "Interrupted"}


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
    parts: dict[str, int] = {}
    for record in records:
        whole, mark, _ = record.key.partition("#")
        if mark:
            parts[whole] = parts.get(whole, 0) + 1
    return parts


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


def show(figures: Mapping[str, Any], stream: TextIO, only_trouble: bool = False) -> None:
    """Prints a summary; with `only_trouble` just what was set aside, and warnings."""
    out = console(stream)
    quiet = {**figures, "notes": [note for note in figures["notes"] if note["level"] != "advice"]}
    parts = (
        [_trouble(quiet)] if only_trouble else [_head(figures), _stages(figures), _trouble(figures), _ending(figures)]
    )
    lines = [line for part in parts for line in part]
    for line in lines[only_trouble and bool(lines) and not lines[0].plain.strip() :]:
        out.print(line)


def _head(figures: Mapping[str, Any]) -> Iterator[Text]:
    seconds = f" in {span(figures['seconds'])}" if figures["seconds"] is not None else ""
    style = "bold green" if figures["status"] == "done" else "bold red"
    yield Text("")
    dry = figures.get("dry_run", False)
    done = "Dry run done" if dry else "Done"
    yield Text(f"{_HEADS.get(figures['status'], done)}{seconds}", style=style)
    concepts = ", ".join(f"{visible(name)} {number:,}" for name, number in figures["concepts"].items())
    width = len("would set aside") if dry else 12
    yield _row("pictures", f"{figures['pictures']:,}" + (f"  ({concepts})" if concepts else ""), width=width)
    if parts := figures["split"]:
        whole, made = counted(len(parts), "picture"), counted(sum(parts.values()), "picture")
        yield _row("split", f"{whole} became {made}: {listed(list(parts))}")
    if figures["prepared"] or figures["status"] == "done":
        yield _row("would prepare" if dry else "prepared", f"{figures['prepared']:,}", width=width)
    yield _row("would set aside" if dry else "set aside", f"{len(figures['aside']):,}", width=width)
    if figures["added"]:
        yield _row("new", f"{counted(len(figures['added']), 'picture')} since the last run: {listed(figures['added'])}")
    if figures["removed"]:
        gone = counted(len(figures["removed"]), "picture is", "pictures are")
        yield _row("removed", f"{gone} no longer in the input folder: {listed(figures['removed'])}")
    by_tags = figures.get("edited_with_tags", [])
    by_hand = [key for key in figures["edited"] if key not in set(by_tags)]
    for keys, how in ((by_hand, "edited by hand"), (by_tags, "changed with `curate tags`")):
        if keys:
            yield _row("kept", f"{counted(len(keys), 'caption')} {how}: {listed(keys)}")
    for line, keys in instructions.lines(figures.get("instructions", {})):
        yield _row("reviewed", f"{line}: {listed(keys)}")
    for what, keys in figures["changed"].items():
        yield _row(what, f"{counted(len(keys), 'picture')}: {listed(keys)}")


def _stages(figures: Mapping[str, Any]) -> Iterator[Text]:
    turns: dict[int, list[Mapping[str, Any]]] = {}
    for row in figures["stages"]:
        turns.setdefault(row["turn"], []).append(row)
    known = [visible(title(figures, row["stage"])) for row in turns.pop(0, [])]
    names = {turn: " + ".join(visible(title(figures, row["stage"])) for row in rows) for turn, rows in turns.items()}
    width = max((12, *map(len, names.values())))
    for turn, rows in turns.items():
        computed, recalled = max(row["computed"] for row in rows), min(row["recalled"] for row in rows)
        ended = span(max(row["seconds"] for row in rows)) if all(row["finished"] for row in rows) else "not finished"
        yield _row(
            names[turn],
            f"{computed:,} processed" + (f", {recalled:,} reused" if recalled else "") + f", {ended}",
            width=width,
        )
    if known:
        yield _row("unchanged", ", ".join(known))
    for name, said in cleaning.lines(figures["cleaning"]):
        yield _row(name, visible(said))
    if cleaning.comparisons(figures["cleaning"]):
        yield _row("", "before, after and difference are on the page of curate report")
    if figures["training"]:
        step = figures["training"]
        yield _row("trained", trained(step))


def _trouble(figures: Mapping[str, Any]) -> Iterator[Text]:
    aside = figures["aside"]
    if aside:
        yield Text("")
        yield Text(f"{counted(len(aside), 'picture')} set aside:", style="yellow")
    for one in aside[:_NAMED]:
        stage = f" ({visible(title(figures, one['stage']))})" if one["stage"] else ""
        yield Text(f"  {visible(one['key'])}: {visible(one['reason'])}{stage}")
    if len(aside) > _NAMED:
        see = figures["where"].get("report") or figures["where"].get("events")
        yield Text(f"  and {len(aside) - _NAMED:,} more" + (f", see {visible(see)}" if see else ""))
    for level, style in (("warning", "yellow"), ("advice", "cyan")):
        notes = [note for note in figures["notes"] if note["level"] == level]
        for note in notes[:_NAMED]:
            stage = f"{visible(title(figures, note['stage']))}: " if note["stage"] else ""
            keys = f" ({listed(note['pictures'])})" if note["pictures"] else ""
            yield Text.assemble((f"{level}: ", style), f"{stage}{visible(note['message'])}{keys}")
        if len(notes) > _NAMED:
            yield Text(f"  and {len(notes) - _NAMED:,} more of this kind")


def _ending(figures: Mapping[str, Any]) -> Iterator[Text]:
    places = [*figures["where"].items(), *((one["kind"], one["path"]) for one in figures["saved"])]
    shown = dict.fromkeys((name, path) for name, path in places if path)
    if shown:
        yield Text("")
    for name, path in shown:
        yield _row(name, visible(path), "bold")
    if figures["next"]:
        yield _row("next", visible(figures["next"]), "bold cyan")
    elif figures["status"] == "interrupted":
        yield _row("next", "run the same command to resume", "bold cyan")


def _row(name: str, value: str, style: str = "", width: int = 12) -> Text:
    return Text.assemble((f"  {name:<{width}}  ", "dim"), (value, style))
