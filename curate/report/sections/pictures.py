"""Pictures: every prepared picture as a card, with filters."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from curate import captions
from curate.core.counting import counted
from curate.core.record import Record
from curate.core.visible import visible
from curate.report import health
from curate.report.badges import Badge
from curate.report.caption_changes import CaptionChange, caption_change, caption_text
from curate.report.elements import Markup, el, joined
from curate.report.page import Page, badge_row, badges_of, with_cards
from curate.report.paging import data, pages
from curate.report.sections.captions import before_row, change_marks
from curate.report.sections.traps import trap_marks

_PER_PAGE = 48


def pictures(page: Page) -> Markup:
    """The pictures of each concept as cards, the first page of them in the HTML; a sample of very many."""
    records, all_of_them = with_cards(page.manifest), len(page.manifest.present)
    if not records:
        return Markup("")
    copies = Counter(str(r.facts.get("duplicate_of", "")) for r in page.manifest if r.aside)
    marks = [badges_of(page, record, copies[record.key]) for record in records]
    cards = [_card(page, record, found) for record, found in zip(records, marks, strict=True)]
    shown = pages("pictures", cards, _PER_PAGE, "cards")
    return joined(_sample(page, len(records), all_of_them), _filters(page, records, marks), shown)


def _sample(page: Page, shown: int, of: int) -> Markup:
    """Says that a page shows not all, and what does."""
    if shown == of:
        return Markup("")
    line = el("p", f"{shown:,} of {counted(of, 'picture')}, spread evenly over the folder.", class_="hint")
    return joined(line, el("p", "All of them: ", el("code", f"curate review {page.review}"))) if page.review else line


def _card(page: Page, record: Record, marks: Sequence[Badge]) -> Markup:
    size = f"{record.image.width} × {record.image.height}" if record.image.width else ""
    change = caption_change(record)
    text = el(
        "figcaption",
        el("b", record.key.partition("/")[2] or record.key),
        el("small", record.concept, f" {size}" if size else ""),
        badge_row(marks),
        el("p", caption_text(record)) if caption_text(record) else el("p", "no caption", class_="hint"),
        change_marks(change, record.trigger),
        _story(record, change),
    )
    return el("figure", page.picture(record), text)


def _story(record: Record, change: CaptionChange | None) -> Markup:
    """How the caption came about, folded away."""
    parts: list[str] = []
    if record.imported is not None:
        parts.append(el("p", el("i", "original caption "), record.imported))
    if record.edited is not None:
        parts.append(el("p", el("i", "generated caption "), captions.render(record)))
    elif record.imported is None and (before := before_row(change)):
        parts.append(before)
    for model, scores in record.scores.unpack().items():
        best = ", ".join(f"{tag} {score:.2f}" for tag, (score, _) in list(scores.items())[:15])
        parts.append(el("p", el("i", f"{model} "), best))
    parts += [el("p", note) for note in record.notes]
    return el("details", el("summary", "how this caption was made"), *parts) if parts else Markup("")


def _filters(page: Page, records: Sequence[Record], marks: Sequence[Sequence[Badge]]) -> Markup:
    """A form that the page's program shows and obeys, with what it needs to know of each picture."""
    concepts = sorted({record.concept for record in records})
    own_words = _words(page, records, marks)
    have = Counter(word for own in own_words for word in own)
    words = sorted(have)
    counts = Counter(tag for record in records for tag in set(health.tags_of(record)))
    names = sorted(counts, key=lambda tag: (-counts[tag], tag))
    numbers = {tag: number for number, tag in enumerate(names)}
    rows: list[list[Any]] = [
        [
            concepts.index(record.concept),
            sorted(words.index(word) for word in own),
            sorted(numbers[tag] for tag in set(health.tags_of(record))),
            visible(f"{record.key}\n{caption_text(record)}\n{record.imported or ''}").lower(),
        ]
        for record, own in zip(records, own_words, strict=True)
    ]
    own = Counter(record.concept for record in records)
    known = [el("option", f"{counts[tag]:,}", value=captions.spaced(tag)) for tag in names[:500]]
    form = el(
        "form",
        _choice("concept", "all concepts", [(name, str(n), own[name]) for n, name in enumerate(concepts)]),
        _choice("mark", "all marks", [(word, visible(word), have[word]) for word in words]),
        el("input", name="tag", list="tags-known", placeholder="tag, -tag to leave out", aria_label="tags"),
        el("datalist", *known, id="tags-known"),
        el("input", name="text", type="search", placeholder="text in name or caption", aria_label="text"),
        el("button", "all", type="reset"),
        el("output", id="shown-count"),
        id="filters",
        hidden="",
    )
    return joined(
        form,
        data("data-pictures", {"tags": list(map(visible, names)), "marks": list(map(visible, words)), "rows": rows}),
    )


def _words(page: Page, records: Sequence[Record], marks: Sequence[Sequence[Badge]]) -> list[set[str]]:
    """What pictures can be filtered by: badges without the numbers in them, and what the advice is about."""
    groups = {word: set(keys) for word, keys in health.marked(records, page.fitting).items()}
    groups |= trap_marks(page, records)
    return [
        {one.kind or one.word for one in found} | {word for word, keys in groups.items() if record.key in keys}
        for record, found in zip(records, marks, strict=True)
    ]


def _choice(name: str, everything: str, options: Sequence[tuple[str, str, int]]) -> Markup:
    entries = [el("option", f"{text} ({count:,})", value=value) for text, value, count in options]
    return el("select", el("option", everything, value=""), *entries, name=name, aria_label=name)
