"""The summary of a run in the terminal: what is read at the end of every command."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TextIO

from rich.text import Text

from curate.core.counting import counted
from curate.core.visible import visible
from curate.report import cleaning, instructions
from curate.report.summary import title, trained
from curate.report.text import console, listed, span

_NAMED = 20
_HEADS = {"failed": "Failed", "interrupted": "Interrupted"}


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
