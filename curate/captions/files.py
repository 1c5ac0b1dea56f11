"""Files: what lies beside the pictures of a folder, by name: captions, masks, and what is neither."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from curate.core.counting import counted

EXTENSIONS = (".txt", ".caption")
"""Endings of captions in the order in which they are looked for."""
MASK, CONDITION = "-masklabel.png", "-condlabel.png"
"""OneTrainer's files beside a picture: what of it counts, and what it is conditioned on."""
LISTS = frozenset(("metadata.jsonl", "metadata.csv", "meta_cap.json", "meta_lat.json", "captions.json"))
"""Files of other programs that hold the captions of a whole folder."""
_OTHERS = (".cap", ".tags", ".json", ".csv", ".md")


@dataclass(frozen=True, slots=True)
class Beside:
    """The files of one folder, by name.

    pictures  without masks and condition pictures
    captions  caption files of each picture that has any, the one to be taken first in front
    masks     the mask of each picture that has one beside it
    messages  on what is left out
    """

    pictures: Sequence[str]
    captions: Mapping[str, Sequence[str]]
    masks: Mapping[str, str]
    messages: Sequence[str]


class _CaptionsBeside(Mapping[str, Sequence[str]]):
    """The caption files of pictures, looked up as they are asked for: a list for each of a million takes 0.2 GB."""

    def __init__(self, pictures: Sequence[str], names: Iterable[str], endings: Sequence[str]) -> None:
        self._pictures, self._endings = pictures, endings
        folded = tuple(e.casefold() for e in endings)
        self._texts: set[str] = set()  # a name that is folded already stands for itself
        self._unlike: dict[str, str] = {}
        for name in names:
            if not (key := name.casefold()).endswith(folded):
                continue
            if key == name:
                self._texts.add(name)
            else:
                self._unlike[key] = name

    def __getitem__(self, picture: str) -> Sequence[str]:
        wanted = [f"{base}{e}".casefold() for base in (_stem(picture), picture) for e in self._endings]
        names = (w if w in self._texts else self._unlike.get(w) for w in wanted)
        if found := [name for name in names if name]:
            return found
        raise KeyError(picture)

    def __iter__(self) -> Iterator[str]:
        return (picture for picture in self._pictures if picture in self)

    def __len__(self) -> int:
        return sum(1 for _ in self)


def sort_files(
    place: str, names: Iterable[str], is_picture: Callable[[str], bool], extension: str = EXTENSIONS[0]
) -> Beside:
    """Tells pictures, captions and masks of one folder apart; `place` is its name in messages.

    Captions are `a.txt` or `a.caption`, then `a.png.txt`; an `extension` of another kind stands for itself alone.
    """
    names = sorted(names)
    pictures = [n for n in names if is_picture(n)]
    labels = [n for n in pictures if _is_label(n)]
    masks_of = {n[: -len(MASK)].casefold(): n for n in labels if n.lower().endswith(MASK)}
    endings = EXTENSIONS if extension.casefold() in EXTENSIONS else (extension,)
    endings = tuple(dict.fromkeys((extension, *endings)))
    own = [n for n in pictures if not _is_label(n)] if labels else pictures
    masks = {n: masks_of[stem] for n in own if (stem := _stem(n).casefold()) in masks_of} if masks_of else {}
    messages = [*_label_messages(place, labels, own), *_text_messages(place, names, own, endings)]
    return Beside(own, _CaptionsBeside(own, names, endings), masks, messages)


def caption_file(picture: Path) -> Path | None:
    """The caption that lies beside a picture: `a.txt` or `a.caption`, else `a.png.txt`; None without one."""
    names = [picture.stem + e for e in EXTENSIONS] + [picture.name + e for e in EXTENSIONS]
    return next((p for p in (picture.with_name(n) for n in names) if p.is_file()), None)


def _stem(name: str) -> str:
    return os.path.splitext(name)[0]  # noqa: PTH122 – of many thousands of names


def _is_label(name: str) -> bool:
    return name.lower().endswith((MASK, CONDITION))


def _label_messages(place: str, labels: Sequence[str], pictures: Sequence[str]) -> Iterable[str]:
    if not labels:
        return
    known = {_stem(n).casefold() for n in pictures}
    conditions = [n for n in labels if n.lower().endswith(CONDITION)]
    if conditions:
        yield f"{place}: left out: {_some(conditions)}, pictures to condition on, which nothing here uses"
    alone = [n for n in labels if n not in conditions and n[: -len(MASK)].casefold() not in known]
    if alone:
        yield f"{place}: left out: {_some(alone)}, masks of pictures that are not there"


def _text_messages(place: str, names: Sequence[str], pictures: Sequence[str], endings: Sequence[str]) -> Iterable[str]:
    lists = [n for n in names if n.lower() in LISTS]
    if lists:
        yield f"{place}: not read: {_some(lists)}; captions are read from a text file beside each picture"
    others = [n for n in names if n.lower().endswith(_OTHERS) and not n.endswith(tuple(endings)) and n not in lists]
    bases = {base for n in pictures for base in (_stem(n), n)} if others else set[str]()
    beside = [n for n in others if _stem(n) in bases]
    if beside:
        yield f"{place}: not read as captions: {_some(beside)}; they end in {' or '.join(EXTENSIONS)}"


def _some(names: Sequence[str], most: int = 3) -> str:
    return f"{counted(len(names), 'file')} ({', '.join(names[:most])}{' …' if len(names) > most else ''})"
