"""HTML elements that escape everything put into them, so that no page can forget to.

Jinja2 was weighed and not taken: its templates escape markup but not the control characters of file names, and half of
a page's parts are shared functions that templates would call back.
"""

from __future__ import annotations

import html

from curate.core.visible import visible

_VOID = {"img", "meta", "br", "input"}


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


def escaped(child: str) -> Markup:
    """The child as HTML: markup as it is, text with control characters made visible and every special one escaped."""
    return child if isinstance(child, Markup) else Markup(html.escape(visible(child), quote=True))


def el(name: str, /, *children: str, **attributes: str) -> Markup:
    """An element. A trailing underscore of an attribute's name is dropped (`class_`), others become hyphens."""
    given = "".join(f' {key.rstrip("_").replace("_", "-")}="{escaped(value)}"' for key, value in attributes.items())
    if name in _VOID:
        return Markup(f"<{name}{given}>")
    return Markup(f"<{name}{given}>{joined(*children)}</{name}>")


def joined(*children: str) -> Markup:
    """Several elements or texts as one."""
    return Markup("".join(escaped(child) for child in children))


def table(head: list[str], rows: list[list[str]]) -> Markup:
    """A table; columns that are all numbers are set to the right."""
    classes = ["n" if rows and all(_numeric(row[c]) for row in rows) else "" for c in range(len(head))]
    top = [el("th", cell, class_=kind) for cell, kind in zip(head, classes, strict=True)]
    body = [el("tr", *(el("td", cell, class_=kind) for cell, kind in zip(row, classes, strict=True))) for row in rows]
    return el("div", el("table", el("thead", el("tr", *top)), el("tbody", *body)), class_="wide")


def bar(share: float, label: str) -> Markup:
    """A bar whose length is `share` (0 to 1) of its place, with a label."""
    width = f"width:{100 * min(max(share, 0.0), 1.0):.1f}%"
    return el("div", el("i", style=width), el("span", label), class_="bar")


def _numeric(cell: str) -> bool:
    return not isinstance(cell, Markup) and cell.replace(",", "").replace(".", "").rstrip(" %×").isdigit()
