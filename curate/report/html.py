"""The health report: one self-contained HTML page about a run, safe whatever the files are called."""

from __future__ import annotations

from curate.core.counting import counted
from curate.core.record import Record
from curate.core.stage import Concept
from curate.report import cleaning, health
from curate.report.badges import faults
from curate.report.cards import pictures
from curate.report.elements import Markup, bar, el, joined, table
from curate.report.page import Page, by_concept, document, img
from curate.report.style import STYLE
from curate.report.summary import title
from curate.report.text import span
from curate.report.training_section import evaluation, samples, training

_TAGS_SHOWN = 40


def render(page: Page) -> str:
    """The page as UTF-8 text. Pictures that cannot be read leave an empty frame."""
    sections = [
        ("Overview", _overview(page)),
        ("Advice", _advice(page)),
        ("Balance", _balance(page)),
        ("Needs editing", _editing(page)),
        ("Set aside", _aside(page)),
        ("Noise", _noise(page)),
        ("Duplicates", _duplicates(page)),
        ("Tags", _tags(page)),
        ("Sizes", _sizes(page)),
        ("Training", training(page)),
        ("Samples", samples(page)),
        ("Evaluation", evaluation(page)),
        ("Pictures", pictures(page)),
    ]
    return document(page.title, sections, STYLE)


def _overview(page: Page) -> Markup:
    figures = page.figures
    tiles = [
        ("pictures", f"{figures['pictures']:,}"),
        ("prepared", f"{len(page.manifest.present):,}"),
        ("set aside", f"{len(page.figures['aside']):,}"),
        *([("to edit", f"{sum(bool(faults(r)) for r in page.manifest.present):,}")] if _inspected(page) else []),
        ("edited captions", f"{sum(r.edited is not None for r in page.manifest.present):,}"),
        ("time", span(figures["seconds"]) if figures["seconds"] is not None else "unknown"),
        *([("finished", page.date)] if page.date else []),
    ]
    rows = [
        [
            title(figures, s["stage"]),
            f"{s['computed']:,}",
            f"{s['recalled']:,}",
            f"{s['aside']:,}",
            span(s["seconds"]) if s["turn"] else "unchanged",
        ]
        for s in figures["stages"]
    ]
    boxes = el("div", *(el("div", el("b", value), el("span", name)) for name, value in tiles), class_="tiles")
    return joined(boxes, table(["stage", "processed", "reused", "set aside", "time"], rows) if rows else "")


def _advice(page: Page) -> Markup:
    found = [("advice", line) for line in health.advice(page.manifest, page.concepts, page.resolution, page.step)]
    for note in page.figures["notes"]:
        pictures = f" ({counted(len(note['pictures']), 'picture')})" if note["pictures"] else ""
        found.append(
            (
                note["level"],
                (f"{title(page.figures, note['stage'])}: " if note["stage"] else "") + note["message"] + pictures,
            )
        )
    order = ["warning", "advice", "info"]
    found.sort(key=lambda one: order.index(one[0]) if one[0] in order else len(order))
    rows = [el("li", el("em", level, class_="warn" if level == "warning" else ""), " ", line) for level, line in found]
    return el("ul", *rows, class_="notes") if rows else Markup("")


def _balance(page: Page) -> Markup:
    rows: list[list[str]] = []
    shares = health.shares(page.manifest)
    most = max((s.part for s in shares), default=1) or 1
    for share in shares:
        repeats = " or ".join(f"{n}" for n in share.repeats) or "0"
        weight = f"{page.concepts.get(share.concept, Concept()).weight:g}"
        shown = bar(share.part / most, f"{share.part:.1%}")
        rows.append(
            [share.concept, f"{share.came:,}", f"{share.pictures:,}", repeats, weight, f"{share.showings:,}", shown]
        )
    head = ["concept", "pictures", "prepared", "repeats", "weight", "shown per epoch", "share of training"]
    return table(head, rows)


def _editing(page: Page) -> Markup:
    """The pictures that `inspect` found something wrong with, each with the reasons."""
    rows: list[list[str]] = []
    for record in sorted((r for r in page.manifest.present if faults(r)), key=lambda r: r.key):
        picture = img(page.find(record), record.key, 96) if len(rows) < page.thumbnails else Markup("")
        rows.append([picture, record.key, "; ".join(faults(record).values())])
    if rows:
        return table(["", "picture", "why"], rows)
    if page.manifest.present and not _inspected(page):
        hint = "Add `- inspect` to the pipeline, or run `curate inspect FOLDER`, to check for problems."
        return el("p", hint, class_="hint")
    return Markup("")


def _inspected(page: Page) -> bool:
    """Whether a stage looked for faults."""
    return any("triage" in r.facts for r in page.manifest)


def _aside(page: Page) -> Markup:
    told = {one["key"]: one for one in page.figures["aside"]}
    rows: list[list[str]] = []
    for number, record in enumerate(sorted((r for r in page.manifest if r.aside), key=lambda r: r.key)):
        picture = img(page.find(record), record.key, 96) if number < page.thumbnails else Markup("")
        rows.append([picture, record.key, title(page.figures, told.pop(record.key, {}).get("stage", "")), record.aside])
    # a folder as it is now holds nothing of what the run before set aside: the figures alone still name it
    for key, one in told.items():
        rows.append([Markup(""), key, title(page.figures, one["stage"]), one["reason"]])
    head = ["", "picture", "stage", "why"]
    if not any(row[0] for row in rows):  # no picture is there to be shown
        head, rows = head[1:], [row[1:] for row in rows]
    return table(head, rows) if rows else Markup("")


def _noise(page: Page) -> Markup:
    """What denoise suspected and did, a row for each picture, with its numbers."""
    found = cleaning.figures(page.manifest)
    said = [el("p", f"{name}: {line}") for name, line in cleaning.lines(found)]
    rows = cleaning.table_rows(found)
    head = ["picture", "decision", "methods", "noise before", "after", "PSNR in dB", "SSIM"]
    drawn = [(key, page.ledger / path) for key, path in cleaning.comparisons(found)] if page.ledger else []
    pictures = [
        el(
            "figure",
            img(path, key, 1200),
            el("figcaption", el("b", key), " before, after, eight times the difference"),
        )
        for key, path in drawn[: page.thumbnails // 4]
    ]
    return joined(*said, table(head, rows) if rows else "", el("div", *pictures, class_="drawn") if pictures else "")


def _duplicates(page: Page) -> Markup:
    """Each duplicate beside the picture that stays in its place, the least alike first: those are worth a look."""
    rows = {record.key: record for record in page.manifest}
    found = [r for r in page.manifest if r.aside and r.facts.get("duplicate_of") in rows]
    found.sort(key=lambda r: (float(r.facts.get("likeness", 1)), r.key))
    pairs = [_pair(page, copy, rows[copy.facts["duplicate_of"]]) for copy in found[: page.thumbnails // 2]]
    more = el("p", f"and {len(found) - len(pairs):,} more, all named above") if len(found) > len(pairs) else ""
    return joined(el("div", *pairs, class_="pairs"), more) if pairs else Markup("")


def _pair(page: Page, copy: Record, kept: Record) -> Markup:
    likeness = copy.facts.get("likeness")
    said = ", ".join(
        [str(copy.facts.get("duplicate", "")), *([f"similarity {likeness:.3f}"] if isinstance(likeness, float) else [])]
    )
    sides = [
        el("figure", img(page.find(one), one.key, 192), el("figcaption", el("b", one.key), el("small", what)))
        for one, what in ((copy, f"set aside, {said}"), (kept, "kept" if not kept.aside else "set aside too"))
    ]
    return el("div", *sides)


def _tags(page: Page) -> Markup:
    return joined(*(_tags_of(name, rows) for name, rows in by_concept(page.manifest.present)))


def _tags_of(name: str, records: list[Record]) -> Markup:
    found = health.frequencies(records)
    if not found:
        return Markup("")
    bars = [el("li", el("span", tag), bar(count / len(records), f"{count:,}")) for tag, count in found[:_TAGS_SHOWN]]
    more = el("p", f"and {len(found) - _TAGS_SHOWN:,} rarer ones") if len(found) > _TAGS_SHOWN else ""
    return joined(el("h3", f"{name} ({counted(len(records), 'picture')})"), el("ul", *bars, class_="tags"), more)


def _sizes(page: Page) -> Markup:
    present = page.manifest.present
    found = health.bucketed(present, page.resolution, page.step)
    if not found:
        return Markup("")
    most = max(b.showings for b in found)
    rows = [
        [
            _shape(b.size),
            f"{b.size[0]} × {b.size[1]}",
            f"{b.pictures:,}",
            f"{b.enlarged:,}",
            bar(b.showings / most, f"{b.showings:,}"),
        ]
        for b in found
    ]
    unknown = sum(not r.image.width for r in present)
    note = el("p", f"{counted(unknown, 'picture')} of unknown size left out") if unknown else ""
    said = el("p", f"At a resolution of {page.resolution} with steps of {page.step} pixels.")
    return joined(said, table(["", "bucket", "pictures", "enlarged", "shown per epoch"], rows), note)


def _shape(size: tuple[int, int]) -> Markup:
    scale = 26 / max(size)
    return el("div", class_="shape", style=f"width:{size[0] * scale:.0f}px;height:{size[1] * scale:.0f}px")
