"""Captions: what was there before, and what is trained."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection

from curate.core.counting import counted
from curate.report.caption_changes import CaptionChange, caption_change
from curate.report.elements import Markup, bar, el, joined, table
from curate.report.page import Page

_SHOWN = 15
_SOURCES = {
    "original": ("came with the picture", "came with the pictures"),
    "tagger": ("was written by the tagger", "were written by the tagger"),
    "generated": ("was edited by you", "were edited by you"),
}


_TITLES = {"original": "original caption", "tagger": "tags by the tagger", "generated": "generated caption"}


def captions(page: Page) -> Markup:
    """In sentences, then the tags that came and went most often."""
    present = page.manifest.present
    triggers = {word for r in present for word in r.trigger}
    sources: Counter[str] = Counter()
    removed: Counter[str] = Counter()
    added: Counter[str] = Counter()
    changed = 0
    for change in filter(None, map(caption_change, present)):
        sources[change.source] += 1
        changed += any(text not in triggers for text in (*change.removed, *change.added))
        removed.update(set(change.removed) - triggers)
        added.update(set(change.added) - triggers)
    if not sources:
        return Markup("")
    lines = [f"{counted(n, 'caption')} {_SOURCES[source][n > 1]}." for source, n in sorted(sources.items())]
    lines.append(
        f"{counted(changed, 'caption differs', 'captions differ')} from what was there before, besides trigger words. "
        "The pictures below show what went and what came."
        if changed
        else "Besides trigger words, nothing was changed."
    )
    return joined(
        el("p", " ".join(lines)),
        el("div", _listing("removed most often", _by_number(removed), sources.total()),
           _listing("added most often", _by_number(added), sources.total()), class_="columns"),
    )  # fmt: skip


def _by_number(counts: Counter[str]) -> list[tuple[str, int]]:
    """How often each tag came or went; trigger words, which every caption gets, are left out."""
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))


def _listing(heading: str, counts: list[tuple[str, int]], of: int) -> Markup:
    if not counts:
        return Markup("")
    rows = [[text, bar(count / of, f"{count:,}")] for text, count in counts[:_SHOWN]]
    more = el("p", f"and {len(counts) - _SHOWN:,} more", class_="hint") if len(counts) > _SHOWN else ""
    return el("div", el("h3", heading), table(["tag", "captions"], rows), more)


def change_marks(change: CaptionChange | None, trigger: Collection[str]) -> Markup:
    """What went and what came, in a line; nothing where both are the same. Trigger words come to every caption."""
    if change is None:
        return Markup("")
    gone = [el("del", text) for text in change.removed if text not in trigger]
    new = [el("ins", text) for text in change.added if text not in trigger]
    marks = [piece for mark in (*gone, *new) for piece in (mark, " ")]
    return el("p", *marks, class_="changed", title=f"changed since: {_TITLES[change.source]}") if marks else Markup("")


def before_row(change: CaptionChange | None) -> Markup:
    """The caption before; nothing where it is the same."""
    if change is None or not (change.removed or change.added):
        return Markup("")
    return el("p", el("i", f"{_TITLES[change.source]} "), ", ".join(piece.text for piece in change.before))
