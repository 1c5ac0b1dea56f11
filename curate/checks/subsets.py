"""Subsets: folders whose pictures are trained alike, and what the folders beside them are for by their names."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from curate.images import SUFFIXES, masks
from curate.names import folder_name
from curate.scan import TRAINED, legible

Role = Literal["train", "reg", "validation"]

_REG = frozenset(("reg", "regs", "regularization", "regularisation", "reg_data", "class_images"))
_VALIDATION = frozenset(("val", "valid", "validation", "eval"))
NOT_TRAINED = frozenset(
    (masks.FOLDER, TRAINED, "log", "logs", "model", "models", "sample", "samples", "output", "outputs")
)
"""Folders beside the concepts' that hold what a trainer wrote, or masks."""


@dataclass(frozen=True, slots=True)
class Subset:
    """A folder whose pictures are trained alike.

    name       for people: relative to the checked folder
    words      what a caption should contain, and what stands for one that is missing
    extension  of captions
    masks      the folder of its masks, None where there is none
    """

    place: Path
    name: str
    repeats: int
    words: str
    role: Role = "train"
    extension: str = ".txt"
    masks: Path | None = None


def has_pictures(folder: Path, deep: bool = False) -> bool:
    """Whether files in a folder, or in those below it, are called pictures."""
    below: list[str] = []
    with contextlib.suppress(OSError), os.scandir(folder) as entries:  # unsorted: it may hold a million
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if Path(entry.name).suffix.lower() in SUFFIXES and entry.is_file():
                return True
            if deep and entry.is_dir(follow_symlinks=False):
                below.append(entry.path)
    return any(has_pictures(Path(path), deep) for path in below)


def subset_of(root: Path, place: Path, repeats: int, words: str, role: Role = "train") -> Subset:
    """A folder inside `root`, with its masks where there are any; its captions end in .txt."""
    drawn = root / masks.FOLDER / place.name
    name = legible(place.relative_to(root).as_posix())
    return Subset(place, name, repeats, words, role, masks=drawn if drawn.is_dir() else None)


def subsets_beside(root: Path, inner: Sequence[Path]) -> Iterator[Subset]:
    """Regularization pictures and validation pictures in folders of their usual names."""
    for place in inner:
        role = role_of(place)
        if role == "train":
            continue
        numbered = numbered_folders(place)
        for one in numbered:
            name = folder_name(legible(one.name))
            yield subset_of(root, one, name.repeats or 1, name.words, role)
        if not numbered and has_pictures(place):
            yield subset_of(root, place, 1, "", role)


def role_of(place: Path) -> Role:
    """What a folder is for, by its name."""
    name = place.name.lower()
    if name in _REG:
        return "reg"
    return "validation" if name in _VALIDATION else "train"


def numbered_folders(place: Path) -> list[Path]:
    """The N_name folders in a folder."""
    return [one for one in inner_folders(place) if folder_name(one.name).repeats]


def inner_folders(folder: Path) -> list[Path]:
    """The folders in a folder, sorted, without hidden ones."""
    return sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))
