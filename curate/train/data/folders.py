"""Which sub-folders of a training folder are concepts, and what in it lies where no trainer looks."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from curate.core.counting import counted
from curate.errors import InputError
from curate.images import SUFFIXES as FORMATS
from curate.names import MOST_REPEATS, FolderName, folder_name

SUFFIXES = frozenset((".png", ".jpg", ".jpeg", ".webp", ".bmp", ".avif", ".jxl"))
MASKS = "masks"
"""Folder of mask pictures beside the concepts' folders."""
OWN = frozenset((MASKS, "lora"))
"""Folders beside the concepts' that hold pictures of another kind: masks, samples."""
NAMED = 5


@dataclass(frozen=True, slots=True)
class Concept:
    """A folder N_words: its pictures are shown N times an epoch."""

    place: Path
    repeats: int
    words: str


def concepts(folder: Path) -> tuple[list[Concept], list[str]]:
    """The `N_name` folders directly inside a folder, by name, and a warning for each that is passed over.

    Raises InputError where there is none, saying where they may be instead.
    """
    result: list[Concept] = []
    warnings: list[str] = []
    for place in _folders(folder):
        name = _name(place)
        if name.repeats:
            result.append(Concept(place, name.repeats, name.words))
            warnings += [name.warning] if name.warning else []
        elif place.name not in OWN and (pictures := list(_pictures(place, deep=True))):
            why = "it is not called N_name with N from 1 on" + _better(place)
            why = why if name.repeats is None else "it has 0 repeats"
            warnings.append(f"{place.name} is skipped with {_some(pictures, place)}: {why}")
    if not result:
        raise InputError(
            f"{folder} holds no folder called N_trigger",
            f"{_elsewhere(folder)}training needs sub-folders such as 10_zwx dog (10 repeats, trigger words zwx dog)",
        )
    if loose := list(_pictures(folder)):
        warnings.insert(0, f"not trained: {_some(loose, folder)} directly in {folder}; they belong into N_name folders")
    return result, warnings


def _name(place: Path) -> FolderName:
    """What a folder's name says. Raises InputError for a number that is none of repeats."""
    name = folder_name(place.name)
    if name.repeats is None and name.warning:
        number, _, words = place.name.partition("_")
        raise InputError(
            f"{place} asks for {number} repeats of each picture, and {MOST_REPEATS} is the most",
            f"the number before the _ is the number of repeats: rename it to 1_{words}",
        )
    return name


def _is_concept(place: Path) -> bool:
    return bool(folder_name(place.name).repeats)


def check(folder: Path) -> None:
    """Raises InputError where a folder that exists holds no `N_name` folder: before anything is written into it."""
    if folder.is_dir():
        concepts(folder)


def unread(place: Path) -> list[str]:
    """Warnings for pictures in a concept's folder that are not trained: of other formats, and in folders inside it."""
    others = [p for p in _pictures(place) if p.suffix.lower() not in SUFFIXES]
    deeper = [p for inner in _folders(place) for p in _pictures(inner, deep=True)]
    lines: list[str] = []
    if others:
        lines.append(
            f"{place.name}: not trained: {_some(others, place)}, of formats that `curate convert` turns into PNG"
        )
    if deeper:
        lines.append(f"{place.name}: not trained: {_some(deeper, place)} in folders inside it")
    return lines


def other_endings(pictures: Iterable[Path], wanted: str) -> str:
    """The ending of text files beside pictures that have no caption of the wanted ending; empty without any.

    Where there are several, that of most pictures.
    """
    counts: dict[str, int] = {}
    for picture in pictures:
        for beside in picture.parent.glob(f"{_literal(picture.stem)}.*"):
            if beside.suffix.lower() in (".txt", ".caption", ".cap", ".tags") and beside.suffix != wanted:
                counts[beside.suffix] = counts.get(beside.suffix, 0) + 1
    return max(counts, key=lambda ending: (counts[ending], ending), default="")


def _literal(stem: str) -> str:
    """A name as a pattern that fits it alone."""
    return re.sub(r"([*?[])", r"[\1]", stem)


def _folders(folder: Path) -> list[Path]:
    return sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))


def _pictures(folder: Path, deep: bool = False) -> Iterator[Path]:
    """Files that are called pictures, in hidden folders none."""
    for path in sorted(folder.iterdir()):
        if path.name.startswith("."):
            continue
        if path.suffix.lower() in FORMATS and path.is_file():
            yield path
        elif deep and path.is_dir():
            yield from _pictures(path, deep=True)


def _some(pictures: list[Path], place: Path) -> str:
    """A number of pictures and the names of the first."""
    names = ", ".join(p.relative_to(place).as_posix() for p in pictures[:NAMED])
    more = " …" if len(pictures) > NAMED else ""
    return f"{counted(len(pictures), 'picture')} ({names}{more})"


def _better(place: Path) -> str:
    """What a folder may be called instead, where its name nearly says it."""
    near = re.fullmatch(r"\s*0*([1-9]\d*)(?:\s*[-_ ]\s*(.*))?\s*", place.name, re.DOTALL)
    inside = [p.name for p in _folders(place) if _is_concept(p)]
    if inside:
        return f"; move {inside[0]} out of it"
    return f"; call it {near[1]}_{(near[2] or 'name').strip()}" if near else ""


def _elsewhere(folder: Path) -> str:
    """Where the pictures may be, if not in folders of the right name."""
    if next(_pictures(folder), None):
        return "the pictures are directly in it: "
    if _is_concept(folder):
        return f"{folder.name} may itself be one: "
    for inner in _folders(folder):
        if inner.name not in OWN and any(map(_is_concept, _folders(inner))):
            return f"{inner.name} in it holds such folders, give {inner}: "
    return ""
