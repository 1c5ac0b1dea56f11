"""Traps: what `curate check` finds in the prepared folder, with the pictures and the remedy of each."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from curate.core.counting import counted
from curate.core.record import Record
from curate.core.visible import visible
from curate.report.elements import Markup, el, joined
from curate.report.page import Page

_NAMED = 20


def traps(page: Page) -> Markup:
    """Each trap as a sentence, its remedy, and its files; nothing where nothing was checked."""
    if page.checks is None:
        return Markup("")
    found: Sequence[Mapping[str, Any]] = page.checks["traps"]
    if not found:
        line = "The checks before training found nothing wrong."
    else:
        line = f"The checks before training found {counted(len(found), 'trap')}."
    opener = el("p", "To correct the pictures in a browser, run ", el("code", f"curate review {page.review}"), ".")
    names = np.fromiter(map(hash, page.files.values()), np.int64)
    return joined(
        el("p", line),
        opener if found and page.review else "",
        *(_trap(page, one, names) for one in found),
        _skipped(page.checks["not_checked"]),
    )


def _trap(page: Page, trap: Mapping[str, Any], names: np.ndarray) -> Markup:
    """`names` are the hashes of the pictures' names: of a million, a set of names takes 130 MB."""
    places: Sequence[Mapping[str, str]] = trap["places"]
    lines = [el("li", place["file"], f" ({place['detail']})" if place["detail"] else "") for place in places[:_NAMED]]
    more = el("li", f"and {len(places) - _NAMED:,} more") if len(places) > _NAMED else ""
    files = el("details", el("summary", counted(len(places), "file")), el("ul", *lines, more)) if places else ""
    shown = int(np.isin(np.fromiter(map(hash, trap["pictures"]), np.int64), names).sum())
    link = ""
    if shown:
        filter_ = json.dumps({"mark": visible(trap_mark(page, trap["check"]))})
        link = el("a", f"show {counted(shown, 'picture')}", href="#pictures", data_filter=filter_)
    return el(
        "div",
        el("p", el("em", "trap", class_="warn"), " ", trap["message"], " ", link),
        el("p", "Remedy: ", trap["remedy"], class_="hint"),
        files,
        _review(page, trap) if trap["pictures"] and page.review else "",
        class_="trap",
    )


def _review(page: Page, trap: Mapping[str, Any]) -> Markup:
    """How to see the pictures in review: a command here, a link where review itself shows the report."""
    command = f"curate review {page.review} --show {trap['check']}"
    count = counted(len(trap["pictures"]), "picture")
    return el("p", "In review: ", el("code", command), data_check=trap["check"], data_count=count, class_="review")


def trap_mark(page: Page, check: str) -> str:
    """How the pictures of a check are marked."""
    return str((page.checks or {}).get("names", {}).get(check, check))


def trap_marks(page: Page, records: Iterable[Record]) -> dict[str, set[str]]:
    """The keys of those of the records with a trap, by mark."""
    keys = {path: record.key for record in records if (path := page.files.get(record.key)) is not None}
    groups: dict[str, set[str]] = {}
    for trap in (page.checks or {}).get("traps", ()):
        own = {keys[name] for name in trap["pictures"] if name in keys}
        groups.setdefault(trap_mark(page, trap["check"]), set()).update(own)
    return {mark: own for mark, own in groups.items() if own}


def _skipped(skipped: Sequence[Mapping[str, str]]) -> Markup:
    """What could not be checked here, and why."""
    if not skipped:
        return Markup("")
    reasons: dict[tuple[str, str], int] = {}
    for one in skipped:
        key = (one["reason"], one["remedy"])
        reasons[key] = reasons.get(key, 0) + 1
    lines = [
        el("li", f"{counted(number, 'check')}: {reason}" + (f"; {remedy}" if remedy else ""))
        for (reason, remedy), number in reasons.items()
    ]
    return el("details", el("summary", f"{counted(len(skipped), 'check')} not made"), el("ul", *lines))
