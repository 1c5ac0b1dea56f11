"""Prose: whether a piece of a caption reads as a sentence, and where that sentence begins."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from functools import lru_cache

SENTENCE_END = re.compile(r"(?<=[^\W_])[.!?…][\"'”’)]*\s+")
"""The end of a sentence with what follows it up to the next word."""

_OPENERS = frozenset(["a", "an", "this", "there", "these", "two", "three", "several"])
_VERBS = frozenset(
    [
        "is",
        "are",
        "was",
        "were",
        "has",
        "wearing",
        "standing",
        "sitting",
        "holding",
        "looking",
        "with",
        "shows",
        "depicts",
        "featuring",
    ]
)
_SMALL = frozenset(
    [
        "a",
        "an",
        "the",
        "is",
        "are",
        "was",
        "were",
        "of",
        "in",
        "on",
        "at",
        "with",
        "and",
        "his",
        "her",
        "its",
        "their",
        "by",
        "from",
        "to",
        "which",
        "that",
        "while",
    ]
)


@lru_cache(maxsize=1 << 14)
def is_prose(part: str) -> bool:
    """Whether a piece between separators reads as a sentence rather than as a tag."""
    words = SENTENCE_END.split(part, maxsplit=1)[0].split()
    if len(words) < 3 or any("_" in w for w in words):
        return False
    lower = [w.strip(".,;:!?\"'").casefold() for w in words]
    small = sum(w in _SMALL for w in lower)
    ended = part.endswith((".", "!", "?", "…")) or SENTENCE_END.search(part)
    if ended and (small or len(words) > 4):
        return True
    if lower[0] in _OPENERS and (small > (lower[0] in _SMALL) or len(words) >= 5):
        return True
    if words[0][0].isupper() and len(words) >= 4 and small >= 1:
        return True
    return len(words) >= 6 and small >= 2 and any(w in _VERBS for w in lower)


def sentence_start(parts: Sequence[str], first: int, trigger: Collection[str]) -> int:
    """The first piece of the sentence that holds the piece `first`: "A dog, which is sitting." begins with "A dog"."""
    if parts[first][0] != parts[first][0].lower():
        return first
    for i in range(first - 1, -1, -1):
        if parts[i].casefold() in trigger or "_" in parts[i]:
            return first
        words = parts[i].split()
        if words[0][0].isupper() and words[0].casefold() in _SMALL and len(words) > 1:
            return i
    return first
