"""Tag checks: tags with underscores or backslashes, and tags that the vocabulary does not know."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from curate import captions
from curate.checks.findings import Finding, Place, Skipped
from curate.checks.folder import CheckedFolder, CheckedPicture
from curate.checks.settings import Settings, command
from curate.core.counting import counted
from curate.names import words
from taggers.underscores import keeps_underscores

_ESCAPE = re.compile(r"\\[()\[\]{}]")


def check(folder: CheckedFolder, settings: Settings) -> Iterator[Finding | Skipped]:
    """The findings; skipped where there is no list of tags."""
    captioned = folder.captioned
    yield from _underscores(folder, captioned)
    yield from _escapes(folder, captioned)
    tagged = [p for p in captioned if _is_tagged(p)]
    if not tagged:
        return
    if settings.vocabulary is not None:
        yield from _unknown(folder, tagged, settings)
    elif settings.no_vocabulary[0]:
        yield Skipped("vocabulary", *settings.no_vocabulary)


def tags_of(picture: CheckedPicture) -> tuple[str, ...]:
    """The tags of a caption in canonical form, without trigger words."""
    trigger = words(picture.subset.words)
    own = {captions.canonical(w).casefold() for w in trigger}
    return tuple(t for t in captions.parse(picture.text, trigger)[0] if captions.canonical(t).casefold() not in own)


def _is_tagged(picture: CheckedPicture) -> bool:
    tags, sentence = captions.parse(picture.text, words(picture.subset.words))
    return len(tags) > 2 and not sentence


def _underscores(folder: CheckedFolder, captioned: Sequence[CheckedPicture]) -> Iterator[Finding]:
    odd: list[Place] = []
    for one in captioned:
        trigger = set(words(one.subset.words))
        tags = [t.strip() for t in one.text.split(",")]
        found = [t for t in tags if "_" in t.strip("_") and t not in trigger and not keeps_underscores(t)]
        if found and one.caption:
            odd.append(Place(one.caption.file, found[0] + (" …" if found[1:] else ""), one.name))
    if odd:
        which = counted(len(odd), "caption writes", "captions write")
        yield Finding(
            "underscores",
            f"{which} tags with underscores: most bases learned them with spaces, and each underscore is a token",
            f"{command(folder, 'captions')} writes spaces",
            tuple(odd),
        )


def _escapes(folder: CheckedFolder, captioned: Sequence[CheckedPicture]) -> Iterator[Finding]:
    odd = [(p, found[0]) for p in captioned if (found := _ESCAPE.findall(p.text))]
    if odd:
        which = counted(len(odd), "caption has", "captions have")
        yield Finding(
            "escapes",
            f"{which} a backslash before brackets: prompts need it, but trainers learn the backslash as a word",
            f"{command(folder, 'captions')} writes brackets without it",
            tuple(Place(p.caption.file, what, p.name) for p, what in odd if p.caption),
        )


def _unknown(folder: CheckedFolder, tagged: Sequence[CheckedPicture], settings: Settings) -> Iterator[Finding]:
    vocabulary = settings.vocabulary
    assert vocabulary is not None
    holders: dict[str, list[Place]] = {}
    for one in tagged:
        for tag in tags_of(one):
            if not vocabulary.knows(tag) and one.caption:
                shown = captions.spaced(tag)
                live = vocabulary.aliases.get(tag.casefold(), "")
                detail = f"{shown}, there called {captions.spaced(live)}" if live else shown
                holders.setdefault(tag, []).append(Place(one.caption.file, detail, one.name))
    if holders:
        names = sorted(holders, key=lambda t: (-len(holders[t]), t))
        shown = ", ".join(captions.spaced(t) for t in names[:5]) + (" …" if len(names) > 5 else "")
        which, them = counted(len(names), "tag is", "tags are"), "it" if len(names) == 1 else "them"
        yield Finding(
            "vocabulary",
            f"{which} not in {vocabulary.title}, so the base has hardly learned {them}: {shown}",
            f"correct the spelling, or use a tag of the list: {command(folder, 'tags rename', 'OLD', 'TAG')}",
            tuple(place for name in names for place in holders[name]),
        )
