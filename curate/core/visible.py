"""Visible: names, tags and other text of strangers, made safe to print."""

from __future__ import annotations

import json
import unicodedata

_HIDDEN = {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}
_JOINERS = {"\u200c", "\u200d"}  # ordinary parts of Persian words and of emoji


def visible(text: str) -> str:
    """The text with everything that could move the cursor, hide or reorder what follows written as an escape."""
    if text.isprintable():  # nothing hidden is, and most names are: ten times as fast
        return text
    return "".join(_escaped(c) if _is_hidden(c) else c for c in text)


def _escaped(character: str) -> str:
    """As Python writes it: \\n, \\x1b, \\u202e, \\U000e0001."""
    return ascii(character)[1:-1]


def visible_lines(text: str) -> str:
    """The text with its lines made `visible`: where they end is meant."""
    return "\n".join(map(visible, text.split("\n")))


def visible_json(text: str) -> str:
    """JSON of the same values, in which everything hidden is written as an escape."""
    if text.replace("\n", "").isprintable():
        return text
    return "".join(json.dumps(c)[1:-1] if c != "\n" and _is_hidden(c) else c for c in text)


def _is_hidden(character: str) -> bool:
    return unicodedata.category(character) in _HIDDEN and character not in _JOINERS
