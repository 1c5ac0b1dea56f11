"""Cards: every prepared picture with its caption, its badges, and how the caption came about."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from curate import captions
from curate.core.counting import counted
from curate.core.record import Record
from curate.report.elements import Markup, el, joined
from curate.report.page import Page, badge_row, by_concept, caption_text, img


def pictures(page: Page) -> Markup:
    """The pictures of each concept as cards; those beyond the page's thumbnails by name and caption alone."""
    groups = by_concept(page.manifest.present)
    each = max(1, page.thumbnails // max(1, len(groups)))
    copies = Counter(str(r.facts.get("duplicate_of", "")) for r in page.manifest if r.aside)
    return joined(*(joined(*_group(page, name, rows, each, copies)) for name, rows in groups))


def _group(page: Page, name: str, records: list[Record], most: int, copies: Counter[str]) -> Iterator[Markup]:
    trigger = ", ".join(records[0].trigger)
    yield el("h3", f"{name} ({counted(len(records), 'picture')}" + (f", trigger: {trigger})" if trigger else ")"))
    yield el("div", *(_card(page, record, copies[record.key]) for record in records[:most]), class_="cards")
    rest = records[most:]
    if rest:
        listing = [el("li", el("b", r.key), " ", caption_text(r), badge_row(page, r, copies[r.key])) for r in rest]
        yield el("details", el("summary", f"{len(rest):,} more without thumbnails"), el("ul", *listing))


def _card(page: Page, record: Record, duplicates: int) -> Markup:
    size = f"{record.image.width} × {record.image.height}" if record.image.width else ""
    text = el(
        "figcaption",
        el("b", record.key.partition("/")[2] or record.key),
        el("small", size) if size else "",
        badge_row(page, record, duplicates),
        el("p", caption_text(record)),
        _story(record),
    )
    return el("figure", img(page.find(record), record.key, 224), text)


def _story(record: Record) -> Markup:
    """How the caption came about, folded away."""
    parts: list[str] = []
    if record.imported is not None:
        parts.append(el("p", el("i", "original caption "), record.imported))
    if record.edited is not None:
        parts.append(el("p", el("i", "generated "), captions.render(record)))
    for model, scores in record.scores.unpack().items():
        best = ", ".join(f"{tag} {score:.2f}" for tag, (score, _) in list(scores.items())[:15])
        parts.append(el("p", el("i", f"{model} "), best))
    parts += [el("p", note) for note in record.notes]
    return el("details", el("summary", "how this caption was made"), *parts) if parts else Markup("")
