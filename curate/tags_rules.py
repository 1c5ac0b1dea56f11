"""Rules by which the tags of captions are changed in bulk: tags added, removed, replaced."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from curate import captions
from curate.errors import InputError

Rule = Callable[[tuple[str, ...], frozenset[str]], Sequence[str]]
"""New tags of old tags and the trigger words among them."""


def matching(patterns: Sequence[str]) -> Callable[[str], bool]:
    """Whether a tag is one of these; `*` stands for anything, underscores and spaces are the same, and so are cases.

    Raises InputError for an empty one.
    """
    globs = [re.escape(_named(p)).replace(r"\*", ".*") for p in patterns]
    pattern = re.compile("|".join(f"(?:{g})" for g in globs), re.IGNORECASE)
    return lambda tag: pattern.fullmatch(captions.canonical(tag)) is not None


def adding(tags: Sequence[str], where: Sequence[str] = (), *, first: bool = False) -> Rule:
    """Adds tags, to all captions or to those that hold all of `where`; behind the trigger words where `first`."""
    new, wanted = [_plain(t) for t in tags], [matching([w]) for w in where]

    def rule(old: tuple[str, ...], trigger: frozenset[str]) -> Sequence[str]:
        if not all(any(w(t) for t in old) for w in wanted):
            return old
        added = [t for t in new if t not in old]
        lead = next((i for i, t in enumerate(old) if t not in trigger), len(old)) if first else len(old)
        return [*old[:lead], *added, *old[lead:]]

    return rule


def removing(patterns: Sequence[str]) -> Rule:
    """Removes tags; trigger words stay."""
    unwanted = matching(patterns)
    return lambda old, trigger: [t for t in old if t in trigger or not unwanted(t)]


def replacing(pairs: Mapping[str, Sequence[str]]) -> Rule:
    """Puts other tags in the place of tags, whatever their case; trigger words stay."""
    table = {_named(old).casefold(): [_plain(n) for n in new] for old, new in pairs.items()}

    def rule(old: tuple[str, ...], trigger: frozenset[str]) -> Sequence[str]:
        return [new for t in old for new in ([t] if t in trigger else table.get(captions.canonical(t).casefold(), [t]))]

    return rule


def _named(tag: str) -> str:
    """A tag that captions may have, as it is compared."""
    name = captions.canonical(tag)
    if not name:
        raise InputError(f"{tag!r} is not a tag", "name the tag to look for; * stands for anything")
    return name


def _plain(tag: str) -> str:
    """A tag as it is kept; nothing that would tear the caption apart."""
    plain = captions.canonical(tag)
    if not plain or "," in plain:
        raise InputError(f"{tag!r} is not a tag", "give each tag on its own, without commas")
    if any("\ud800" <= letter <= "\udfff" for letter in plain):  # bytes of the command line that are no text
        raise InputError(f"{tag!r} is not a tag: it is not UTF-8 text", "set the terminal to UTF-8")
    return plain
