"""Trigger words: captions without the words that the concept is learned by."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from curate.core.counting import counted
from curate.names import safe, words
from curate.train.data.dataset import Picture

_NAMED = 5


def lacking(
    pictures: Iterable[Picture],
    triggers: Mapping[Path, tuple[str, ...]] | None = None,
    texts: Callable[[Picture], Iterable[str]] = lambda picture: (picture.caption,),
) -> list[str]:
    """A line for each folder with captions that lack a trigger word: how many, which words, which files.

    The words are those that `triggers` gives for a picture's file, else those in its folder's name. `texts` gives the
    captions of a picture, which must all contain them.
    """
    known = triggers or {}
    counts: dict[str, int] = {}
    missing: dict[str, list[tuple[str, tuple[str, ...]]]] = {}
    for picture in pictures:
        folder = picture.path.parent.name
        counts[folder] = counts.get(folder, 0) + 1
        wanted = known.get(picture.path.absolute()) or words(picture.words)
        lacks = tuple(dict.fromkeys(word for text in texts(picture) for word in lacking_words(text, wanted)))
        if lacks and not picture.reg:
            missing.setdefault(folder, []).append((picture.path.name, lacks))
    lines: list[str] = []
    for folder, rows in sorted(missing.items()):
        some = dict.fromkeys(word for _, lacks in rows for word in lacks)
        names = ", ".join(name for name, _ in rows[:_NAMED])
        more = f" and {len(rows) - _NAMED} more" if len(rows) > _NAMED else ""
        quoted = ", ".join(f'"{word}"' for word in some)
        lack = f"{counted(counts[folder], 'caption')} in {folder} {'does' if len(rows) == 1 else 'do'} not contain"
        word = "trigger word" if len(some) == 1 else "trigger words"
        lines.append(f"{len(rows)} of {lack} the {word} {quoted}: {names}{more}")
    return lines


def lacking_words(caption: str, triggers: Iterable[str]) -> tuple[str, ...]:
    """The trigger words that a caption does not contain."""
    # folder names hold no colons and the like: a caption is compared as it would stand in one
    text = _comparable(caption)
    return tuple(word for word in triggers if _comparable(word) not in text)


def _comparable(text: str) -> str:
    """Words as a folder's name holds them, without case and underscores."""
    return ", ".join(safe(part) for part in text.split(",")).casefold().replace("_", " ")
