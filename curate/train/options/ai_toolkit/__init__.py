"""Reads ai-toolkit's YAML into our options, with a word on every setting.

A job is `config: {name, process: [{network, save, datasets, train, model, sample}]}`. What a file leaves out is as
ai-toolkit's trainer has it, not as its window fills it in.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from curate.train.options.ai_toolkit import data, model, network, train
from curate.train.options.ai_toolkit.keys import IGNORED, INSTEAD, OPTIONS, REFUSED
from curate.train.options.kohya import dataset
from curate.train.options.kohya.settings import Imported, Problem, Setting, Settings, Translation, is_off
from curate.train.options.kohya.values import plain

Table = Mapping[str, Any]
PROGRAM = "ai-toolkit"
TRAINERS = ("sd_trainer", "diffusion_trainer", "ui_trainer")
"""Types of a process that trains a LoRA."""


def job(path: Path, result: Imported) -> Table | None:
    """A file's job; None for a file of another program. Adds a problem for YAML that is none."""
    yaml = path.suffix.lower() in (".yaml", ".yml")
    if not yaml and path.suffix.lower() != ".json":
        return None
    try:
        text = path.read_text(encoding="utf-8-sig")
        table: Any = YAML(typ="safe", pure=True).load(text) if yaml else json.loads(text)
    except OSError as error:
        result.problems += [Problem(f"{path} cannot be read: {error.strerror}")] if yaml else []
        return None
    except (ValueError, YAMLError) as error:
        reason = " ".join(str(error).split())
        result.problems += [Problem(f"{path} is no YAML: {reason}")] if yaml else []
        return None
    if isinstance(table, dict) and _fits(cast(Table, table)):
        return cast(Table, table)
    if yaml:
        result.problems.append(Problem(f"{path} is no job of ai-toolkit: expected config with a list called process"))
    return None


def _fits(table: Table) -> bool:
    config = table.get("config")
    processes = cast(Table, config).get("process") if isinstance(config, dict) else None
    return isinstance(processes, list) and all(map(_is_table, cast("list[Any]", processes)))


def _is_table(value: Any) -> bool:
    return isinstance(value, dict)


def _datasets(process: Table) -> Sequence[Any]:
    found = process.get("datasets") or []
    return cast("list[Any]", found) if isinstance(found, list) else [found]


def read(table: Table, path: Path, result: Imported) -> Settings:
    """The settings of the job's process by dotted names: `train.lr`."""
    config = cast(Table, table["config"])
    processes = cast(Sequence[Table], config["process"])
    process: Table = processes[0] if processes else {}
    if not all(map(_is_table, _datasets(process))):
        result.problems.append(Problem(f"{path}: datasets is no list of settings"))
        process = {key: value for key, value in process.items() if key != "datasets"}
    kind = process.get("type", TRAINERS[0])
    if len(processes) != 1:
        result.problems.append(
            Problem(f"{path}: process holds {len(processes)} entries: one LoRA is trained at a time")
        )
    if kind not in TRAINERS:
        result.problems.append(Problem(f"{path}: type = {kind!r} trains no LoRA: expected {' or '.join(TRAINERS)}"))
    settings = {"name": Setting(config["name"], f"{path}: name")} if config.get("name") else {}
    for section, value in process.items():
        if section == "datasets":
            found = dataset.common(_datasets(process), path, result)
            settings |= {f"{section}.{key}": Setting(s.value, f"{path}: {section}.{key}") for key, s in found.items()}
        elif isinstance(value, dict):
            inner = cast(Table, value)
            settings |= {f"{section}.{key}": Setting(one, f"{path}: {section}.{key}") for key, one in inner.items()}
        elif section != "type":
            settings[section] = Setting(value, f"{path}: {section}")
    return settings


def translate(settings: Settings, result: Imported, option_names: Collection[str]) -> Imported:
    """Options of the settings, and a note or a problem for each that becomes none."""
    result.program = PROGRAM
    t = Translation(settings, result)
    model.translate(t)
    result.family = t.family.name if t.family else ""
    network.translate(t)
    train.translate(t)
    data.translate(t)
    for name in list(t.left):
        _by_table(t, name, option_names)
    if result.defaults:
        told = ", ".join(f"{option} {value}" for option, value in result.defaults.items())
        result.notes.append(f"not set, so ai-toolkit's defaults are used: {told}")
    return result


def _by_table(t: Translation, name: str, option_names: Collection[str]) -> None:
    """A setting that means the same with and without the others."""
    value = plain(t.left[name].value)
    option = OPTIONS.get(name)
    if option is not None and option in option_names:
        t.take_any(name)
        if value not in (None, ""):
            t.put(option, value, name)
    elif name in REFUSED:
        neutral, reason = REFUSED[name]
        if is_off(value) or value == neutral:
            t.left.pop(name)
        else:
            t.refuse(name, reason, INSTEAD.get(name, ""))
    elif is_off(value):
        t.left.pop(name)
    elif (reason := IGNORED.get(name) or IGNORED.get(name.partition(".")[0])) is not None:
        t.note(name, f"is ignored: {reason}")
    else:
        t.note(name, "is an unknown setting and is ignored")
