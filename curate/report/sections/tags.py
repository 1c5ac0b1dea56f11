"""Tags: how often each stands in a concept, and which stand together."""

from __future__ import annotations

import json
from collections.abc import Sequence

from curate.captions import spaced
from curate.core.counting import counted
from curate.core.record import Record
from curate.core.visible import visible
from curate.report import health
from curate.report.concepts import by_concept
from curate.report.elements import Markup, bar, el, joined, table
from curate.report.page import Page
from curate.report.tag_pairs import TagPair, TagPairs, tag_pairs

_SHOWN, _OPEN = 24, 3


def tags(page: Page) -> Markup:
    """The most frequent tags of each concept; a click shows their pictures."""
    groups = [_frequent(name, rows) for name, rows in by_concept(page.manifest.present)]
    groups = [_folded(group, number) for number, group in enumerate(groups) if group]
    if not groups:
        return Markup("")
    return joined(el("p", "On how many pictures each tag stands. A click shows these pictures."), *groups)


def _folded(group: tuple[str, Markup], number: int) -> Markup:
    """A concept's part of a section under its name; only the first few are open."""
    heading, content = group
    opened = {"open": ""} if number < _OPEN else {}
    return el("details", el("summary", el("b", heading)), content, **opened)


def _frequent(name: str, records: Sequence[Record]) -> tuple[str, Markup] | None:
    counts = health.frequencies(records)
    if not counts:
        return None
    rows = [el("li", tag_link(tag), bar(count / len(records), f"{count:,}")) for tag, count in counts[:_SHOWN]]
    more = el("p", f"and {len(counts) - _SHOWN:,} rarer ones") if len(counts) > _SHOWN else ""
    return f"{name} ({counted(len(records), 'picture')})", joined(el("ul", *rows, class_="tags"), more)


def tag_link(*tags: str) -> Markup:
    """The tags as a link to the pictures that have all of them."""
    filter_ = json.dumps({"tag": ", ".join(visible(spaced(tag)) for tag in tags)})
    return el("a", " + ".join(map(spaced, tags)), href="#pictures", data_filter=filter_)


def together(page: Page) -> Markup:
    """Which tags stand together, per concept."""
    groups = [_together(name, rows) for name, rows in by_concept(page.manifest.present)]
    parts = [_folded(group, number) for number, group in enumerate(groups) if group]
    if not parts:
        return Markup("")
    line = (
        "Tags that always stand together cannot be told apart by the training. "
        "Add pictures with one of them alone, or remove one of the tags."
    )
    return joined(el("p", line), *parts)


def _together(name: str, records: Sequence[Record]) -> tuple[str, Markup] | None:
    pairs = tag_pairs(records)
    if not pairs.closest:
        return None
    always = [pair for pair in pairs.closest if pair.share == 1]
    lines = [el("li", tag_link(pair.first, pair.second), f": {_words(pair)}") for pair in (always or pairs.closest)[:8]]
    listing = el("details", el("summary", "the closest pairs as a table"), _table(pairs))
    heading = f"{name} ({counted(len(records), 'picture')})"
    return heading, joined(el("ul", *lines, class_="notes"), _square(pairs), listing)


def _words(pair: TagPair) -> str:
    pictures = counted(pair.pictures, "picture")
    return f"always together, on {pictures}" if pair.share == 1 else f"together on {pictures} ({pair.share:.0%})"


def _table(pairs: TagPairs) -> Markup:
    rows = [
        [spaced(p.first), spaced(p.second), f"{p.pictures:,}", bar(p.share, f"{p.share:.0%}")] for p in pairs.closest
    ]
    return table(["tag", "and", "pictures with both", "of the pictures with either"], rows)


def _square(pairs: TagPairs) -> Markup:
    """The most frequent tags against each other: the darker, the larger the share of the row's pictures."""
    head = el("tr", el("th", ""), *(el("th", el("span", spaced(tag))) for tag in pairs.tags))
    rows = [
        el("tr", el("th", spaced(tag)), *(_cell(row[j], row[i], i == j) for j in range(len(row))))
        for i, (tag, row) in enumerate(zip(pairs.tags, pairs.counts, strict=True))
    ]
    hint = "The row's tag stands on so many pictures together with the column's tag."
    square = el("div", el("table", el("thead", head), el("tbody", *rows)), class_="wide square")
    return joined(square, el("p", hint, class_="hint"))


def _cell(count: int, of: int, own: bool) -> Markup:
    shade = min(9, round(9 * count / of)) if of else 0
    return el("td", f"{count:,}" if count else "", class_="own" if own else f"h{shade}")
