"""What needs editing, what was set aside, and duplicates beside the picture that stays."""

from __future__ import annotations

import json
from collections import Counter

from curate.core.counting import counted
from curate.core.record import Record
from curate.core.visible import visible
from curate.report.badges import fault_word, faults
from curate.report.elements import Markup, el, joined
from curate.report.page import Page
from curate.report.paging import pages, table_pages
from curate.report.summary import title

_ROWS, _PAIRS = 10, 6


def editing(page: Page) -> Markup:
    """The pictures that `inspect` found something wrong with, each with the reasons."""
    records = sorted((r for r in page.manifest.present if faults(r)), key=lambda r: r.key)
    if records:
        line = f"{counted(len(records), 'picture needs', 'pictures need')} editing, as far as `inspect` can measure."
        rows = [[page.picture(r, 96), r.key, "; ".join(faults(r).values())] for r in records]
        return joined(el("p", line), _by_fault(records), table_pages("editing", ["", "picture", "why"], rows, _ROWS))
    if page.manifest.present and not any("triage" in r.facts for r in page.manifest):
        hint = "Add `- inspect` to the pipeline, or run `curate inspect FOLDER`, to check for problems."
        return el("p", hint, class_="hint")
    return Markup("")


def _by_fault(records: list[Record]) -> Markup:
    """How many have which fault, as links to these pictures."""
    counts = Counter(fault_word(fault) for record in records for fault in faults(record))
    links = [
        el("li", el("a", word, href="#pictures", data_filter=json.dumps({"mark": visible(word)})), f": {count:,}")
        for word, count in counts.most_common()
    ]
    return el("ul", *links, class_="inline")


def aside(page: Page) -> Markup:
    """Every picture that was set aside, with the stage and the reason."""
    told = {one["key"]: one for one in page.figures["aside"]}
    rows: list[list[str]] = []
    for record in sorted((r for r in page.manifest if r.aside), key=lambda r: r.key):
        # a run that knows the stage's result already does not tell which stage it was
        usual = "dedupe" if record.facts.get("duplicate_of") else ""
        stage = title(page.figures, told.pop(record.key, {}).get("stage", "") or usual)
        rows.append([page.picture(record, 96), record.key, stage, record.aside])
    # a file that is not where it was cannot be shown: the figures alone still name it
    for key, one in told.items():
        rows.append([Markup(""), key, title(page.figures, one["stage"]), one["reason"]])
    if not rows:
        return Markup("")
    counts = Counter(row[2] for row in rows if row[2])
    parts = [f"{count:,} by {stage}" for stage, count in counts.most_common(6)]
    if parts and (others := len(rows) - sum(count for _, count in counts.most_common(6))):
        parts.append(f"{others:,} for other reasons")
    stages = ", ".join(parts)
    line = counted(len(rows), "picture was", "pictures were") + " set aside" + (f": {stages}." if stages else ".")
    columns = [n for n in range(4) if any(row[n] for row in rows)]  # without what is empty everywhere
    head = ["", "picture", "stage", "why"]
    table = table_pages("aside", [head[n] for n in columns], [[row[n] for n in columns] for row in rows], _ROWS)
    return joined(el("p", line), table)


def duplicates(page: Page) -> Markup:
    """Each duplicate beside the picture that stays in its place, the least alike first: those are worth a look."""
    copies = [r for r in page.manifest if r.aside and r.facts.get("duplicate_of")]
    kept = {r.facts["duplicate_of"] for r in copies}
    rows = {record.key: record for record in page.manifest if record.key in kept} if kept else {}
    copies = [r for r in copies if r.facts["duplicate_of"] in rows]
    if not copies:
        return Markup("")
    copies.sort(key=lambda r: (float(r.facts.get("likeness", 1)), r.key))
    near = sum(r.facts.get("duplicate") == "near" for r in copies)
    number = counted(len(copies), "duplicate was", "duplicates were")
    line = f"{number} set aside: {len(copies) - near:,} equal, {near:,} near."
    if near:
        line += " The least alike come first. If these are different pictures, raise `correlation` of `dedupe`."
    pairs = [_pair(page, copy, rows[copy.facts["duplicate_of"]]) for copy in copies]
    return joined(el("p", line), pages("duplicates", pairs, _PAIRS, "pairs"))


def _pair(page: Page, copy: Record, kept: Record) -> Markup:
    likeness = copy.facts.get("likeness")
    said = ", ".join(
        [str(copy.facts.get("duplicate", "")), *([f"similarity {likeness:.3f}"] if isinstance(likeness, float) else [])]
    )
    sides = [
        el("figure", page.picture(one), el("figcaption", el("b", one.key), el("small", what)))
        for one, what in ((copy, f"set aside, {said}"), (kept, "kept" if not kept.aside else "set aside too"))
    ]
    return el("div", *sides)
