"""Dataset TOML: the folders that a configuration of kohya's sd-scripts names, and what is wrong with them."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from curate.checks.findings import Finding, Place
from curate.core.counting import counted
from curate.core.files import read_bytes
from curate.errors import InputError
from curate.names import folder_name
from curate.train.options import imported

_NAME = "dataset.toml"
_PLANNED = frozenset(("resolution", "batch", "bucket_min", "bucket_max", "bucket_step", "upscale"))


@dataclass(frozen=True, slots=True)
class Row:
    """A subset: its folder, which is there, and what the file says of it."""

    place: Path
    repeats: int
    words: str
    extension: str
    masks: Path | None
    is_reg: bool


def find(folder: Path) -> Path | None:
    """The file in a folder that names datasets: dataset.toml first, else the first other TOML that does."""
    files = sorted(folder.glob("*.toml"), key=lambda p: (p.name != _NAME, p.name))
    return next((file for file in files if "datasets" in _load(file, {})), None)


def unreadable(folder: Path) -> Finding | None:
    """A dataset.toml in the folder that is no TOML, so that it names nothing."""
    file = folder / _NAME
    try:
        _load(file, None if file.is_file() else {})
    except InputError as error:
        message = f"{_NAME} cannot be read as TOML: sd-scripts stops; the folders are checked as if it were not there"
        return Finding("dataset-file", message, error.remedy, (Place(_NAME, str(error.__cause__)),))
    return None


def training_values(file: Path) -> tuple[dict[str, Any], set[str]]:
    """Options that the plan depends on, as the file sets them for all pictures; and those that differ between them."""
    read = imported(str(file))
    unlike = {problem.option for problem in read.problems}
    return {name: value for name, value in read.values.items() if name in _PLANNED - unlike}, unlike


def read(file: Path) -> tuple[list[Row], list[Finding]]:
    """The subsets whose folders are there, and findings for the others. Raises InputError for a file that is no TOML.

    A relative image_dir is looked for beside the file, then in the current folder as sd-scripts does.
    """
    table = _load(file, None)
    rows: list[Row] = []
    missing: list[Place] = []
    wrong: list[Place] = []
    for given in _subsets(table):
        named = str(given.get("image_dir") or "")
        if not named:
            missing.append(Place(file.name, "a subset without image_dir"))
            continue
        place = _folder(file, named)
        if place is None:
            missing.append(Place(file.name, f"image_dir {named}"))
            continue
        repeats = given.get("num_repeats", 1)
        if not isinstance(repeats, int) or isinstance(repeats, bool) or repeats < 1:
            wrong.append(Place(file.name, f"num_repeats = {repeats!r} of {named}"))
            repeats = 1
        rows.append(_row(file, place, given, repeats))
    return rows, [*_findings(missing, wrong)]


def _row(file: Path, place: Path, given: Mapping[str, Any], repeats: int) -> Row:
    words = str(given.get("class_tokens") or "")
    own = folder_name(place.name)
    masks = str(given.get("conditioning_data_dir") or "")
    return Row(
        place,
        repeats,
        words or (own.words if own.repeats else ""),
        str(given.get("caption_extension") or ".txt"),
        _folder(file, masks) if masks else None,
        bool(given.get("is_reg")),
    )


def _findings(missing: Sequence[Place], wrong: Sequence[Place]) -> Iterator[Finding]:
    if missing:
        which = counted(len(missing), "subset has", "subsets have")
        yield Finding(
            "dataset-folder",
            f"{which} no folder of pictures: sd-scripts stops, or trains without it",
            "correct image_dir in the file; a relative path is meant from the folder that the training starts in",
            tuple(missing),
        )
    if wrong:
        message = f"num_repeats is not a whole number above 0 in {counted(len(wrong), 'subset')}: sd-scripts refuses it"
        yield Finding("folder-name", message, "write a whole number, as in num_repeats = 10", tuple(wrong))


def _subsets(table: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    general = cast("Mapping[str, Any]", table.get("general") or {})
    for dataset in cast("Sequence[Mapping[str, Any]]", table.get("datasets") or ()):
        own = {key: value for key, value in dataset.items() if key != "subsets"}
        for subset in cast("Sequence[Mapping[str, Any]]", dataset.get("subsets") or ()):
            yield {**general, **own, **subset}


def _folder(file: Path, named: str) -> Path | None:
    path = Path(named).expanduser()
    candidates = [path] if path.is_absolute() else [file.parent / path, path]
    return next((one for one in candidates if one.is_dir()), None)


def _load(file: Path, default: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """The file's content; `default` where it is no TOML. Raises InputError without a default."""
    try:
        return tomllib.loads(read_bytes(file).decode("utf-8-sig"))
    except (OSError, ValueError) as error:
        if default is None:
            raise InputError(f"{file} cannot be read as TOML: {error}", "correct the line that it names") from error
        return default
