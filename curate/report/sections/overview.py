"""Overview and advice: what happened to the pictures, and what to look at."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import groupby
from typing import NamedTuple

from curate.core.counting import counted
from curate.report import health, instructions
from curate.report.badges import faults
from curate.report.elements import Markup, el, joined, table
from curate.report.page import Page
from curate.report.summary import title
from curate.report.text import span

_LINES = 4
"""Warnings of one stage that are shown at once."""


class _Line(NamedTuple):
    """A warning or a piece of advice; `stage` is empty where it is from no stage."""

    level: str
    text: str
    stage: str = ""


def overview(page: Page) -> Markup:
    """Sentences, figures, and what each stage did."""
    tiles = [el("div", el("b", value), el("span", name)) for name, value in _figures(page)]
    return joined(
        *(el("p", line, class_="lead") for line in _sentences(page)),
        el("div", *tiles, class_="tiles"),
        _stages(page),
    )


def _sentences(page: Page) -> list[str]:
    figures, prepared = page.figures, len(page.manifest.present)
    aside = len(figures["aside"])
    lines = [
        f"curate read {counted(figures['pictures'], 'picture')} and prepared {prepared:,}. "
        + (f"It set {aside:,} aside: these are not trained." if aside else "It set none aside.")
    ]
    if page.training:
        what = "finished" if page.training.finished else "is not finished"
        lines.append(f"The latest training {what} ({page.training.date}).")
    return lines


def _figures(page: Page) -> list[tuple[str, str]]:
    figures, present = page.figures, page.manifest.present
    inspected = any("triage" in r.facts for r in page.manifest)
    return [
        ("pictures", f"{figures['pictures']:,}"),
        ("prepared", f"{len(present):,}"),
        ("set aside", f"{len(figures['aside']):,}"),
        *([("to edit", f"{sum(bool(faults(r)) for r in present):,}")] if inspected else []),
        ("edited captions", f"{sum(r.edited is not None for r in present):,}"),
        ("time", span(figures["seconds"]) if figures["seconds"] is not None else "unknown"),
        *([("finished", page.date)] if page.date else []),
    ]


def _stages(page: Page) -> Markup:
    rows = [
        [
            title(page.figures, s["stage"]),
            f"{s['computed']:,}",
            f"{s['recalled']:,}",
            f"{s['aside']:,}",
            span(s["seconds"]) if s["turn"] else "unchanged",
        ]
        for s in page.figures["stages"]
    ]
    if not rows:
        return Markup("")
    head = ["stage", "processed", "reused", "set aside", "time"]
    return el("details", el("summary", "what each stage did"), table(head, rows))


def advice(page: Page) -> Markup:
    """Warnings first, then what to improve; what is only worth knowing is folded away."""
    numbers = not page.judges_numbers
    own = health.advice(page.manifest, page.concepts, page.fitting, numbers=numbers)
    lines = [_Line("advice", _with_link(one)) for one in own]
    lines += [_Line("info", line) for line, _ in instructions.lines(instructions.carried_out(page.manifest))]
    for note in page.figures["notes"]:
        pictures = f" ({counted(len(note['pictures']), 'picture')})" if note["pictures"] else ""
        stage = title(page.figures, note["stage"]) if note["stage"] else ""
        message = note["message"] + pictures
        lines.append(_Line(note["level"], f"{stage}: {message}" if stage else message, stage))
    order = ["warning", "advice"]
    urgent = sorted((one for one in lines if one.level in order), key=lambda one: order.index(one.level))
    rest = [one for one in lines if one.level not in order]
    folded = el("details", el("summary", f"{len(rest):,} more to know"), _lines(rest)) if rest else Markup("")
    return joined(*_by_kind(urgent), folded)


def _with_link(advice: health.Advice) -> str:
    """The sentence, with a link to its pictures where they can be filtered."""
    if not advice.mark:
        return advice.message
    link = el("a", "show them", href="#pictures", data_filter=json.dumps({"mark": advice.mark}))
    return joined(advice.message, " ", link)


def _lines(lines: Sequence[_Line]) -> Markup:
    rows = [
        el("li", el("em", one.level, class_="warn" if one.level == "warning" else ""), " ", one.text) for one in lines
    ]
    return el("ul", *rows, class_="notes")


def _by_kind(lines: Sequence[_Line]) -> list[Markup]:
    """Lines of one level from one stage are of one kind: of many, the first few are shown, and the rest is folded."""
    parts: list[Markup] = []
    for (_, stage), group in groupby(lines, key=lambda one: (one.level, one.stage)):
        kind = list(group)
        shown = _LINES if stage and len(kind) > _LINES + 1 else len(kind)
        parts.append(_lines(kind[:shown]))
        if rest := kind[shown:]:
            parts.append(el("details", el("summary", f"{len(rest):,} more of this kind"), _lines(rest)))
    return parts
