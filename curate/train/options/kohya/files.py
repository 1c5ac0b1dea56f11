"""Reads kohya's files by content: training TOML, dataset TOML, the GUI's JSON, Easy Training's TOML, a command."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from curate.train.options.kohya import command_line, dataset, easy, gui, paths
from curate.train.options.kohya.settings import Imported, Problem, Setting, Settings

Table = Mapping[str, Any]
COMMANDS = (".sh", ".bat", ".cmd", ".ps1", ".command", ".txt", ".bash", ".zsh", "")
"""Endings of files that hold a command line."""


def read(path: Path, result: Imported) -> Settings:
    """A file's settings by the names of the training script's arguments."""
    text = _text(path, result)
    if text is None:
        return {}
    if path.suffix.lower() in COMMANDS:
        return _command(path, text, result)
    table = _table(path, text, result)
    if table is None:
        return {}
    if path.suffix.lower() == ".json" or "LoRA_type" in table:
        return _with_references(gui.read(table, path, result), path, result)
    if isinstance(table.get("datasets"), list):
        return dataset.read(table, path, result)
    if easy.fits(table):
        return easy.read(table, path, result)
    return _with_references(_flat(table, path), path, result)


def _text(path: Path, result: Imported) -> str | None:
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        result.problems.append(Problem(f"{path} cannot be read: {error.strerror}"))
    except UnicodeDecodeError as error:
        result.problems.append(Problem(f"{path} is not UTF-8 text: {error.reason} at byte {error.start}"))
    return None


def _table(path: Path, text: str, result: Imported) -> Table | None:
    try:
        table: Any = json.loads(text) if path.suffix.lower() == ".json" else tomllib.loads(text)
    except ValueError as error:
        result.problems.append(Problem(f"{path} is neither TOML nor JSON: {error}"))
        return None
    if not isinstance(table, dict):
        result.problems.append(Problem(f"{path} has no settings"))
        return None
    if "training_method" in table and "__version" in table:
        result.problems.append(Problem(f"{path} holds OneTrainer's settings, which are not read"))
        return None
    return cast(Table, table)


def _flat(table: Table, path: Path) -> Settings:
    """A training TOML: its sections have no meaning there."""
    flat: dict[str, Any] = {}
    for key, value in table.items():
        flat.update(cast(Table, value) if isinstance(value, dict) else {key: value})
    return {key: Setting(value, f"{path}: {key}") for key, value in flat.items()}


def _command(path: Path, text: str, result: Imported) -> Settings:
    """A command line, above the files that it names."""
    return _with_references(command_line.read(text, path, result), path, result)


def _with_references(settings: Settings, path: Path, result: Imported) -> Settings:
    """Settings above those of the training TOML and the dataset TOML that they name."""
    found: Settings = {}
    for key, endings in (("config_file", (".toml", "")), ("dataset_config", ("",))):
        setting = settings.get(key)
        if setting is None or not isinstance(setting.value, str) or not setting.value:
            continue
        if paths.is_foreign(setting.value):
            result.problems.append(
                Problem(f"{setting.where} = {setting.value!r} is a Windows path: give that file too with --from-kohya")
            )
            continue
        place = _beside(setting.value, endings, path)
        found |= read(place, result) if place != path else {}
    return {**found, **settings}


def _beside(name: str, endings: tuple[str, ...], path: Path) -> Path:
    """Where a file that another one names lies: as the shell has it, else beside that one."""
    given = Path(name).expanduser()
    places = [folder / (str(given) + ending) for folder in (Path(), path.parent) for ending in endings]
    return next((place for place in places if place.is_file()), given)
