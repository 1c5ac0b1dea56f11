"""Lists of many entries: the first page is part of the HTML, the page's program shows the others and filters.

The other entries lie in the page as JSON of HTML that Python wrote, so that a browser builds only those it shows.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from curate.report.elements import Markup, el, joined


def pages(name: str, entries: Sequence[Markup], size: int, class_: str) -> Markup:
    """The entries as a list of `size` a page; `name` is its id on the page."""
    return joined(_box("div", name, entries, size, class_), _rest(name, entries[size:]))


def table_pages(name: str, head: Sequence[str], rows: Sequence[Sequence[str]], size: int) -> Markup:
    """The rows as a table of `size` rows a page."""
    entries = [el("tr", *(el("td", cell) for cell in row)) for row in rows]
    top = el("thead", el("tr", *(el("th", cell) for cell in head)))
    whole = el("div", el("table", top, _box("tbody", name, entries, size, "")), class_="wide listing")
    return joined(whole, _rest(name, entries[size:]))


def data(name: str, value: Any) -> Markup:
    """Values for the page's program. They are no script: a browser runs nothing of them."""
    text = json.dumps(value, ensure_ascii=True, separators=(",", ":"))
    for sign in "<>&":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return el("script", Markup(text), type="application/json", id=name)


def _box(element: str, name: str, entries: Sequence[Markup], size: int, class_: str) -> Markup:
    extra = {"class_": class_} if class_ else {}
    return el(element, *entries[:size], id=f"list-{name}", data_size=str(size), data_count=str(len(entries)), **extra)


def _rest(name: str, entries: Sequence[Markup]) -> Markup:
    if not entries:
        return Markup("")
    hint = f"and {len(entries):,} more: this browser does not run the page's program"
    return joined(data(f"rest-{name}", entries), el("noscript", el("p", hint, class_="hint")))
