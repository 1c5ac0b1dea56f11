"""Checks in the terminal: the plan as tables and lines, then each trap with its files and its remedy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TextIO

from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from curate.checks import CHECKS, CheckResult, Finding
from curate.core.counting import counted
from curate.core.visible import visible
from curate.report.table import table
from curate.report.text import console

_NAMED = 3


def show(result: CheckResult, stream: TextIO, *, only_traps: bool = False) -> None:
    """Prints what was found; `only_traps` leaves the plan out."""
    out = console(stream)
    if not only_traps:
        out.print(Text(_concepts(result.plan)))
        out.print("")
        for line in _lines(result.plan):
            out.print(Text(visible(line)))
    for number, finding in enumerate(result.findings):
        if number or not only_traps:
            out.print("")
        _trap(out, finding)
    if result.skipped:
        out.print("")
        for reason, remedy, names in _skipped(result):
            out.print(Text.assemble(("not checked: ", "cyan"), visible(f"{', '.join(names)}: {reason}")))
            if remedy:
                _indented(out, Text(visible(remedy)), 2)
    if result.findings:
        out.print("")
        out.print(Text(counted(len(result.findings), "trap"), style="bold"))


def _trap(out: Console, finding: Finding) -> None:
    out.print(Text.assemble(("trap: ", "bold yellow"), visible(finding.message)))
    # a line that says "and 1 more" has room for that one
    shown = len(finding.places) if len(finding.places) == _NAMED + 1 else _NAMED
    for place in finding.places[:shown]:
        _indented(out, Text(visible(str(place)), style="dim"), 4)
    if len(finding.places) > shown:
        _indented(out, Text(f"and {len(finding.places) - shown:,} more", style="dim"), 4)
    _indented(out, Text.assemble(("remedy: ", "green"), visible(finding.remedy)), 2)


def _indented(out: Console, line: Text, columns: int) -> None:
    """A line further in; in a terminal what follows a break stands further in too."""
    if out.is_terminal:
        out.print(Padding(line, (0, 0, 0, columns), expand=False))
    else:
        out.print(Text(" " * columns) + line)


def _skipped(result: CheckResult) -> Iterator[tuple[str, str, Sequence[str]]]:
    """Checks that were not made for the same reason, together."""
    groups: dict[tuple[str, str], list[str]] = {}
    for one in result.skipped:
        groups.setdefault((one.reason, one.remedy), []).append(CHECKS[one.check])
    for (reason, remedy), names in groups.items():
        yield reason, remedy, names


def _concepts(plan: Mapping[str, Any]) -> str:
    rows = [
        (
            c["folder"],
            f"{c['pictures']:,}",
            f"{c['captions']:,}",
            f"{c['repeats']:,}",
            f"{c['shown_per_epoch']:,}",
            f"{c['share']:.0%}",
        )
        for c in plan["concepts"]
    ]
    return table([("folder", "pictures", "captions", "repeats", "shown per epoch", "share"), *rows])


def _resolutions(value: int | Sequence[int]) -> str:
    return str(value) if isinstance(value, int) else ", ".join(map(str, value))


def _lines(plan: Mapping[str, Any]) -> Iterator[str]:
    yield f"layout: {plan['layout']}. {' '.join(plan['notes'])}".strip()
    others = [counted(plan[n], f"{n} picture") for n in ("regularization", "validation") if plan[n]]
    others += [counted(plan["masks"], "mask")] if plan["masks"] else []
    if others:
        yield f"also: {', '.join(others)}"
    if plan["assumed"]:
        yield f"base: {plan['assumed']}"
    if "steps" not in plan:
        yield "nothing can be trained"
        return
    shapes = ", ".join(f"{size}: {n}" for size, n in plan["buckets"].items())
    yield f"buckets at {_resolutions(plan['resolution'])}: {shapes}"
    yield f"sizes: {_sizes(plan)}"
    per_epoch = counted(plan["steps_per_epoch"], "step")
    yield (
        f"length: {counted(plan['epochs'], 'epoch')} of {per_epoch} (batch {plan['batch']}) = "
        f"{counted(plan['steps'], 'step')}; each picture is shown {plan['shown_each']:g} times on average"
    )
    yield from _estimate(plan.get("estimate", {}))


def _sizes(plan: Mapping[str, Any]) -> str:
    parts = [f"{plan['reduced']:,} scaled down", f"{plan['enlarged']:,} enlarged"]
    if plan["enlarged"]:
        parts[-1] += f" (up to {plan['most_enlarged']:g} times)"
    parts.append(f"{plan['cropped']:,} cropped")
    if plan["cropped"]:
        parts[-1] += f" (up to {plan['most_cropped']:.0%} of the picture)"
    return ", ".join(parts)


def _estimate(found: Mapping[str, Any]) -> Iterator[str]:
    if "unknown" in found:
        yield f"time: unknown; {found['unknown']}"
    if "seconds" not in found:
        return
    assumed = " (assumed: this machine has no GPU)" if found["assumed_device"] else ""
    span = (
        f"about {_span(found['seconds'])} on {found['device']}{assumed}"
        if found["seconds"]
        else "known after the first steps"
    )
    yield f"time: {span}"
    memory, disk = sum(found["memory_gib"].values()), sum(found["disk_gib"].values())
    yield f"memory: {_gib(memory)}; disk: {_gib(disk)} (LoRA files, checkpoints, latents)"


def _span(seconds: float) -> str:
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _gib(size: float) -> str:
    return f"{size:.1f} GiB" if size >= 1 else f"{max(1, size * 1024):.0f} MiB"
