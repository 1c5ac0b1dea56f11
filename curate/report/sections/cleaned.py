"""Noise: what denoise decided, and cleaned pictures with a slider between before and after."""

from __future__ import annotations

from curate.core.counting import counted
from curate.core.record import Record
from curate.report import cleaning
from curate.report.elements import Markup, el, joined, table
from curate.report.page import Page, img, shown
from curate.report.paging import pages

_SIDE = 640
_INSIDE = 16
"""Pairs that are shown where pictures are part of the page: each adds about 0.1 MB to it."""
_PER_PAGE = 4


def cleaned(page: Page) -> Markup:
    """The decisions in a line, the cleaned pictures before and after, and a row for each decision with its numbers."""
    figures = cleaning.figures(page.manifest)
    lines = [el("p", f"{name.capitalize()}: {line}.") for name, line in cleaning.lines(figures)]
    rows = cleaning.table_rows(figures)
    head = ["picture", "decision", "methods", "noise before", "after", "PSNR in dB", "SSIM"]
    numbers = el("details", el("summary", "all numbers"), table(head, rows)) if rows else Markup("")
    sliders, drawn = _sliders(page), _comparisons(page, figures)
    if sliders and drawn:
        drawn = el("details", el("summary", "with the difference, eight times as strong"), drawn)
    return joined(*lines, sliders, drawn, numbers)


def _sliders(page: Page) -> Markup:
    records = [r for r in page.manifest.present if _is_cleaned(r) and page.before(r)]
    if not records:
        return Markup("")
    most = _INSIDE if page.thumbnails.inside else len(records)
    sliders = [_slider(page, record) for record in records[:most]]
    hint = "Drag the edge: before is on the left, after on the right."
    more = f" {counted(len(records) - most, 'more picture is', 'more pictures are')} in the table alone."
    note = el("p", hint + (more if len(records) > most else ""), class_="hint")
    return joined(note, pages("cleaned", sliders, _PER_PAGE, "sliders"))


def _is_cleaned(record: Record) -> bool:
    """Whether a picture was cleaned, and nothing moved its pixels since: only then both lie on each other."""
    facts = record.facts
    moved = facts.get("crop") or facts.get("flipped") or facts.get("view")
    part = "#" in record.key
    return bool((facts.get("denoise") or {}).get("done")) and not moved and not part


def _slider(page: Page, record: Record) -> Markup:
    before = page.thumbnails.address(page.before(record), record.origin, _SIDE)
    after = page.thumbnails.address(page.find(record), record.image.digest, _SIDE)
    if not before or not after:
        return Markup("")
    fact = record.facts["denoise"]
    level = "equal" if fact.get("psnr") is None else f"PSNR {fact['psnr']:.1f} dB"
    line = f"noise {fact['score']:.2f} to {fact['after']['score']:.2f}, {level}, SSIM {fact['ssim']:.3f}"
    edge = el(
        "input", type="range", min="0", max="100", value="50", aria_label=f"edge between before and after: {record.key}"
    )
    pair = el("div", shown(after, record.key), shown(before, record.key), edge, class_="compare")
    return el("figure", pair, el("figcaption", el("b", record.key), el("small", line)))


def _comparisons(page: Page, figures: dict[str, object]) -> Markup:
    """What `denoise` drew with its option `report`: before, after and eight times the difference."""
    drawn = [(key, page.ledger / path) for key, path in cleaning.comparisons(figures)] if page.ledger else []
    pictures = [
        el("figure", img(path, key, 1200), el("figcaption", el("b", key), " before, after, eight times the difference"))
        for key, path in drawn[:60]
    ]
    return el("div", *pictures, class_="drawn") if pictures else Markup("")
