"""Reads a dataset TOML: what holds for all of its pictures; what differs between them cannot be taken over."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any, cast

from curate import names
from curate.train.options.kohya import paths
from curate.train.options.kohya.settings import Imported, Problem, Setting, Settings

Table = Mapping[str, Any]
OF_FOLDERS = (
    *("image_dir", "image_directory", "cache_directory", "folder_path", "dataset_path"),
    *("num_repeats", "class_tokens", "is_reg", "name"),
)
"""What the names of FOLDER's sub-folders say."""
FOLDERS = ("image_dir", "image_directory", "folder_path", "dataset_path")
"""What sd-scripts, musubi-tuner and ai-toolkit call a folder of pictures."""
ARGUMENTS = {"batch_size": "train_batch_size"}
"""Names of a dataset TOML that the script's arguments spell in another way."""
BELOW = {"keep_tokens": 0, "shuffle_caption": False, "flip_aug": False}
"""What a subset means that leaves a key out, where others of the file have it."""


def read(table: Table, path: Path, result: Imported) -> Settings:
    """The settings of `[general]`, `[[datasets]]` and their subsets."""
    general = cast(Table, table.get("general", {}))
    rows: list[Table] = []
    for one in cast(Sequence[Table], table["datasets"]):
        own = {k: v for k, v in one.items() if k != "subsets"}
        for subset in cast(Sequence[Table], one.get("subsets") or [{}]):
            rows.append({**general, **own, **subset})
    return common(rows, path, result)


def common(rows: Sequence[Table], path: Path, result: Imported) -> Settings:
    """The settings that all subsets share, and a note where each folder's pictures go."""
    settings: Settings = {}
    for row in rows:
        for key in FOLDERS:
            if key in row:
                result.notes.append(f"{key} {row[key]}: put its pictures into {_folder(row, row[key])}")
    for key in dict.fromkeys(k for row in rows for k in row):
        # pictures of regularization have captions of their own, which is no difference of how captions are treated
        trained = [row for row in rows if not row.get("is_reg")] or rows
        values = [row.get(key, BELOW.get(key)) for row in trained]
        if key in OF_FOLDERS or not values:
            continue
        if any(value != values[0] for value in values):
            option = {"keep_tokens": "keep_tokens", "resolution": "resolution"}.get(key, "")
            message = f"{path.name}: {key} differs between its datasets, and holds for all pictures here"
            result.problems.append(Problem(message, option))
            continue
        settings[ARGUMENTS.get(key, key)] = Setting(values[0], f"{path}: {key}")
    return settings


def _folder(row: Table, place: Any) -> str:
    """The sub-folder here that stands for a subset."""
    given = str(place)
    last = (PureWindowsPath if paths.is_windows(given) else PurePosixPath)(given).name
    words = row.get("class_tokens") or names.folder_name(last).words
    home = "the folder that reg_folder names, as REG" if row.get("is_reg") else "FOLDER"
    return f"{home}/{row.get('num_repeats', 1)}_{words}"
