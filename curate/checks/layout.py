"""Layout: which folders of a folder are trained, and how often, whoever's trainer it was made for."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from curate.checks import dataset_toml
from curate.checks.findings import Finding, Place
from curate.checks.subsets import (
    NOT_TRAINED,
    Role,
    Subset,
    has_pictures,
    inner_folders,
    numbered_folders,
    role_of,
    subset_of,
    subsets_beside,
)
from curate.core.counting import counted
from curate.errors import InputError
from curate.images import SUFFIXES
from curate.names import MOST_REPEATS, folder_name
from curate.scan import legible

Kind = Literal["N_name folders", "dataset.toml", "named folders", "flat folder"]

_SET_THERE = {"resolution": "resolution", "batch": "batch size"}
"""Options that a dataset.toml may set, and the words for them."""
_NUMBER = re.compile(r"\s*[-+]?\d[\d.,]*\s*[xX×]?\s*[-_ .]")
"""A name that begins with a number, as one does who means repeats."""


@dataclass(slots=True)
class Layout:
    """The folders that are trained, and what is wrong with how they are laid out.

    root    the folder that a trainer is given
    values  options of training that a dataset.toml sets
    """

    root: Path
    kind: Kind
    subsets: list[Subset]
    findings: list[Finding] = field(default_factory=list[Finding])
    notes: list[str] = field(default_factory=list[str])
    values: Mapping[str, Any] = field(default_factory=dict[str, Any])


def read_layout(target: Path) -> Layout:
    """The layout of a folder, or of the datasets that a TOML file of sd-scripts names.

    Raises InputError where there is neither.
    """
    if target.is_file() and target.suffix.lower() == ".toml":
        return _of_toml(target.parent, target)
    if not target.is_dir():
        what = "is not a folder" if target.exists() else "does not exist"
        raise InputError(f"{target} {what}", "give a folder of pictures, or a dataset.toml")
    inner = inner_folders(target)
    if any(folder_name(place.name).repeats for place in inner):
        return _of_kohya(target, inner)
    if file := dataset_toml.find(target):
        return _of_toml(target, file)
    nested = [place for place in inner if role_of(place) == "train" and numbered_folders(place)]
    if len(nested) == 1 and not has_pictures(target):
        layout = _of_kohya(nested[0], inner_folders(nested[0]))
        layout.notes.append(f"The training folder is {legible(nested[0].name)} in it.")
        layout.subsets = [_renamed(one, target) for one in layout.subsets]
        layout.subsets += subsets_beside(target, inner)
        return layout
    layout = _of_names(target, inner)
    layout.findings += filter(None, [dataset_toml.unreadable(target)])
    return layout


def _of_kohya(root: Path, inner: Sequence[Path]) -> Layout:
    layout = Layout(root, "N_name folders", [])
    wrong: list[Place] = []
    for place in inner:
        name = folder_name(legible(place.name))
        if role_of(place) != "train" or place.name.lower() in NOT_TRAINED:
            continue
        if name.repeats:
            layout.subsets.append(subset_of(root, place, name.repeats, name.words))
            if name.warning:
                wrong.append(Place(legible(place.name), f"read as {name.repeats}_{name.words}"))
        elif has_pictures(place, deep=True):
            wrong += _untrained(place, layout.notes)
    layout.subsets += subsets_beside(root, inner)
    if wrong:
        layout.findings.append(_folder_names(wrong))
    if loose := _loose(root):
        which = counted(len(loose), "picture lies", "pictures lie")
        message = f"{which} directly in the folder, beside the N_name folders: trainers do not look there"
        layout.findings.append(
            Finding("loose-pictures", message, "move them into an N_name folder", tuple(_places(root, loose)))
        )
    return layout


def _untrained(place: Path, notes: list[str]) -> Iterator[Place]:
    """A folder with pictures that no trainer reads; one that is switched off is no fault."""
    name = folder_name(legible(place.name))
    shown = legible(place.name)
    if name.repeats == 0:
        notes.append(f"{shown} is skipped: 0 repeats.")
        return
    number = re.match(r"\s*(\d+)_", shown)
    if number and int(number[1]) > MOST_REPEATS:
        yield Place(shown, f"{number[1]} repeats are too many")
    elif _NUMBER.match(shown):
        yield Place(shown, "the number is not a whole number followed by _")
    else:
        yield Place(shown, "no number of repeats")


def _folder_names(wrong: Sequence[Place]) -> Finding:
    which = counted(len(wrong), "folder is", "folders are")
    masks = any("mask" in place.file.casefold() for place in wrong)
    return Finding(
        "folder-name",
        f"{which} not called N_trigger with a whole number N: most trainers skip such a folder with its pictures",
        "rename it, for example to 10_zwx dog (10 repeats, trigger words zwx dog)"
        + ("; the masks of 10_zwx dog belong in masks/10_zwx dog" if masks else ""),
        tuple(wrong),
    )


def _of_names(root: Path, inner: Sequence[Path]) -> Layout:
    """A flat folder, or one folder for each concept, as curate and several trainers take them."""
    own = [place for place in inner if role_of(place) == "train" and place.name.lower() not in NOT_TRAINED]
    own = [place for place in own if has_pictures(place, deep=True)]
    layout = Layout(root, "named folders" if own else "flat folder", [])
    wrong: list[Place] = []
    for place in own:
        shown = legible(place.name)
        if folder_name(shown).repeats == 0:
            layout.notes.append(f"{shown} is skipped: 0 repeats.")
            continue
        wrong += _untrained(place, layout.notes) if _NUMBER.match(shown) else []
        layout.subsets.append(subset_of(root, place, 1, folder_name(shown).words))
    if wrong:
        layout.findings.append(_folder_names(wrong))
    if has_pictures(root) or not layout.subsets:
        name = folder_name(legible(root.resolve().name))
        layout.subsets.insert(0, Subset(root, ".", name.repeats or 1, name.words if name.repeats else ""))
    layout.subsets += subsets_beside(root, inner)
    return layout


def _of_toml(root: Path, file: Path) -> Layout:
    layout = Layout(root, "dataset.toml", [])
    rows, layout.findings = dataset_toml.read(file)
    for row in rows:
        place = row.place
        name = legible(place.relative_to(root).as_posix() if place.is_relative_to(root) else place.name)
        role: Role = "reg" if row.is_reg else "train"
        subset = Subset(place, name, row.repeats, row.words, role, row.extension, row.masks)
        same = next((one for one in layout.subsets if (one.place, one.role) == (place, role)), None)
        if same is not None:  # at several resolutions, say: its pictures are shown as often as both say
            layout.subsets.remove(same)
            subset = dataclasses.replace(same, repeats=same.repeats + row.repeats)
        layout.subsets.append(subset)
    layout.values, unlike = dataset_toml.training_values(file)
    *named, last = ["Folders", "repeats", *(words for name, words in _SET_THERE.items() if name in layout.values)]
    layout.notes.append(f"{', '.join(named)} and {last} are those of {file.name}.")
    layout.notes += [
        f"Its datasets differ in {_SET_THERE[name]}: give --{name}." for name in unlike & _SET_THERE.keys()
    ]
    return layout


def _renamed(subset: Subset, target: Path) -> Subset:
    name = legible(subset.place.relative_to(target).as_posix())
    return dataclasses.replace(subset, name=name)


def _loose(folder: Path) -> list[Path]:
    files = (path for path in folder.iterdir() if not path.name.startswith("."))
    return sorted(path for path in files if path.suffix.lower() in SUFFIXES and path.is_file())


def _places(root: Path, files: Sequence[Path]) -> Iterator[Place]:
    for file in files:
        name = legible(file.relative_to(root).as_posix())
        yield Place(name, picture=name)
