"""Token checks: captions that are cut at the token limit, and words that the base's tokenizer takes to pieces."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from curate import captions
from curate.checks.findings import Finding, Place, Skipped
from curate.checks.folder import CheckedFolder, CheckedPicture
from curate.checks.settings import Settings, command
from curate.core.counting import counted
from taggers.underscores import keeps_underscores

_PIECES, _LETTERS = 4, 2.5
"""A word of so many tokens with fewer letters each is spelled rather than known: absurdres (3) and photograph are not,
xqzvwt and most words in other scripts are."""
_WORDS = re.compile(r"[\s,_()\\\[\]{}\"“”.;:!?|]+")
_WHOLE = 10_000
"""Entries of a tokenizer below which it is a toy; CLIP's has 49,408."""


def check(folder: CheckedFolder, settings: Settings) -> Iterator[Finding | Skipped]:
    """The findings; skipped where there is no tokenizer."""
    if settings.tokenizer is None:
        for name in ("tokens", "token-split"):
            yield Skipped(name, *settings.no_tokenizer)
        return
    yield from _long(folder, settings)
    if len(settings.tokenizer) < _WHOLE:
        yield Skipped("token-split", "the tokenizer of this base is a toy, which spells most words")
    else:
        yield from _split(folder, settings.tokenizer)


def token_count(tokenizer: Any, text: str) -> int:
    """Tokens of a caption, without start and end."""
    return len(tokenizer(text, add_special_tokens=False, truncation=False, verbose=False)["input_ids"])


def _long(folder: CheckedFolder, settings: Settings) -> Iterator[Finding]:
    limit = settings.caption_tokens or settings.options.max_tokens
    counts = [(p, _most_tokens(p, settings)) for p in folder.captioned]
    long = [(p, n) for p, n in counts if n > limit]
    if not long:
        return
    which = counted(len(long), "caption has", "captions have")
    most = max(n for _, n in long)
    room = next((size for size in (150, 225) if size > limit and size >= most), 225)
    room = 0 if settings.caption_tokens else room
    longer = f"train with --max-tokens {room}, or " if room > limit else ""
    yield Finding(
        "tokens",
        f"{which} more than {limit} tokens: the rest is cut off, in other trainers without a word",
        f"{longer}shorten them; {command(folder, 'prune', '--cap 20')} keeps 20 tags",
        tuple(Place(p.caption.file, f"{n} tokens", p.name) for p, n in long if p.caption),
    )


def _most_tokens(picture: CheckedPicture, settings: Settings) -> int:
    """Tokens of the longest caption that a picture can have."""
    wordings = picture.wordings
    if settings.options.caption_wildcards:
        wordings = tuple(captions.longest(wording) for wording in wordings)
    return max(token_count(settings.tokenizer, wording.text) for wording in wordings)


def _split(folder: CheckedFolder, tokenizer: Any) -> Iterator[Finding]:
    pieces: dict[str, int] = {}
    spelled: dict[str, Place] = {}
    holders: dict[str, list[Place]] = {}
    for one in folder.captioned:
        for word in {w for w in _words(one.text) if len(w) > 1}:
            if word not in pieces:
                pieces[word] = token_count(tokenizer, word)
            if pieces[word] >= _PIECES and len(word) < _LETTERS * pieces[word] and one.caption:
                place = Place(one.caption.file, f"{word}: {pieces[word]} tokens", one.name)
                spelled.setdefault(word, place)
                holders.setdefault(word, []).append(place)
    if spelled:
        names = sorted(spelled, key=lambda w: (-len(holders[w]), w))
        shown = ", ".join(names[:5]) + (" …" if len(names) > 5 else "")
        which, them = counted(len(names), "word is", "words are"), "it" if len(names) == 1 else "them"
        yield Finding(
            "token-split",
            f"{which} unknown to the base's tokenizer, which spells {them} in pieces: {shown}",
            "use words that the base knows, and short trigger words such as zwx or ohwx",
            tuple(place for name in names for place in holders[name]),
        )


def _words(text: str) -> Iterator[str]:
    for tag in text.split(","):
        if not keeps_underscores("_".join(tag.split())):
            yield from (word for word in _WORDS.split(tag) if word)
