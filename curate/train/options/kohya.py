"""Reads kohya's settings: training TOML, dataset TOML and the GUI's JSON, into our options, with a word on every key."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from curate import names
from curate.adapters.algorithm import LYCORIS, choices
from curate.train.options.kohya_keys import CONVERT, GUI, IGNORED, OPTIONS, REFUSED, plain

EMPTY = (None, "", False, [], {}, "None", "none")
FULL = 100_000
"""Ranks of this size and above are how LyCORIS is asked for a full matrix."""


@dataclass
class Imported:
    """What files came to.

    values    our options
    notes     a line for every key that became none
    problems  what cannot be taken over: lines of an error
    said      by our option, the file and the key that set it, as `kohya.toml: network_dim`
    """

    values: dict[str, Any] = field(default_factory=dict[str, Any])
    notes: list[str] = field(default_factory=list[str])
    problems: list[str] = field(default_factory=list[str])
    said: dict[str, str] = field(default_factory=dict[str, str])


def read(paths: Sequence[str], fields: Collection[str]) -> Imported:
    """All files as options; `fields` are those that exist. Later files stand above earlier ones."""
    made = Imported()
    keys: dict[str, Any] = {}
    files: dict[str, str] = {}
    for path in paths:
        found = _file(Path(path).expanduser(), made)
        keys |= found
        files |= dict.fromkeys(found, path)
    _together(keys, made)
    for key, value in keys.items():
        _one(
            GUI.get(key, key), value, fields, made, f"{files.get(key) or files.get('network_args') or paths[-1]}: {key}"
        )
    # where a full matrix is the default, a rank that large is no rank
    if _full_matrix(made.values.get("algo")) and (made.values.get("rank") or 0) >= FULL:
        for name in ("rank", "alpha", "conv_rank", "conv_alpha"):
            made.values.pop(name, None)
    _unused(made)
    return made


def _file(path: Path, made: Imported) -> dict[str, Any]:
    """A file's keys, sections flattened as kohya does."""
    try:
        text = path.read_text(encoding="utf-8-sig")
        found: Any = json.loads(text) if path.suffix.lower() == ".json" else tomllib.loads(text)
    except OSError as error:
        made.problems.append(f"{path} cannot be read: {error.strerror}")
        return {}
    except ValueError as error:
        made.problems.append(f"{path} is neither TOML nor JSON: {error}")
        return {}
    if not isinstance(found, dict):
        made.problems.append(f"{path} holds no settings")
        return {}
    if isinstance(found.get("datasets"), list):
        return _dataset(found, path, made)
    flat = {
        k: v for key, value in found.items() for k, v in (value.items() if isinstance(value, dict) else ((key, value),))
    }
    other = flat.get("dataset_config")
    if isinstance(other, str) and other:
        place = Path(other).expanduser()
        place = place if place.is_file() else path.parent / place
        flat = {**_file(place, made), **flat}
    return flat


def _dataset(found: Mapping[str, Any], path: Path, made: Imported) -> dict[str, Any]:
    """A dataset TOML: what holds for all of its pictures; what differs between them cannot be taken over."""
    rows: list[dict[str, Any]] = []
    for dataset in found["datasets"]:
        plain = {k: v for k, v in dataset.items() if k != "subsets"}
        for subset in dataset.get("subsets", [{}]):
            rows.append({**found.get("general", {}), **plain, **subset})
            if "image_dir" in subset:
                words = rows[-1].get("class_tokens") or names.folder_name(Path(str(subset["image_dir"])).name).words
                home = "the folder that reg_folder names, as REG" if rows[-1].get("is_reg") else "FOLDER"
                name = f"{home}/{rows[-1].get('num_repeats', 1)}_{words}"
                made.notes.append(f"image_dir {subset['image_dir']}: put its pictures into {name}")
    keys: dict[str, Any] = {}
    for key in dict.fromkeys(k for row in rows for k in row):
        values = [row.get(key) for row in rows]
        if key in ("image_dir", "num_repeats", "class_tokens", "is_reg"):
            continue
        if any(value != values[0] for value in values):
            made.problems.append(f"{path.name}: {key} differs between its datasets, and holds for all pictures here")
        keys[{"batch_size": "train_batch_size"}.get(key, key)] = values[0]
    return keys


def _together(keys: dict[str, Any], made: Imported) -> None:
    """Keys that mean something only with others: the network's module and arguments, switches for parts and optimisers."""
    algo = ""
    module = keys.get("network_module")
    if module:
        modules = {found.trainer: name for name, found in choices().items() if found.trainer}
        if module != LYCORIS and module not in modules:
            made.problems.append(f"network_module {module}: only {', '.join(modules)} and {LYCORIS} are read")
        algo = modules.get(module, "")
    kind = keys.get("LoRA_type")
    if kind:
        types = {gui: name for name, found in choices().items() for gui in found.gui}
        if kind not in types:
            made.problems.append(f"LoRA_type {kind} is of another kind: one of {', '.join(types)} is read")
        algo = types.get(kind, "")
    arguments = dict(_arguments(keys.get("network_args"), made))
    keys.update(arguments)
    if not algo and module:
        algo = next(name for name, found in choices().items() if found.lycoris_default)
    named = str(arguments.get("algo") or algo).lower()
    named = next((name for name, found in choices().items() if found.lycoris == named), named)
    if keys.get("conv_dim") not in (*EMPTY, 0, "0"):
        named = next((name for name, found in choices().items() if found.conv_form_of == named), named)
    plain = choices()[named].conv_form_of if named in choices() else ""
    if plain and module == choices()[plain].trainer:
        keys.setdefault("preset", choices()[named].layers)
    if named:
        keys["algo"] = named
    if keys.get("full_matrix") not in (*EMPTY, "False", "false") and _full_matrix(named):
        keys["network_dim"] = FULL
    _switches(keys)


def _full_matrix(name: Any) -> bool:
    return name in choices() and choices()[name].full_matrix


def _switches(keys: dict[str, Any]) -> None:
    if keys.get("network_train_unet_only"):
        keys["text_encoder_lr"] = 0
    if keys.get("network_train_text_encoder_only"):
        keys["unet_lr"] = 0
    if keys.get("use_8bit_adam"):
        keys["optimizer_type"] = "AdamW8bit"
    if keys.get("use_lion_optimizer"):
        keys["optimizer_type"] = "Lion"
    if isinstance(keys.get("lr_warmup"), int | float) and keys["lr_warmup"] and not keys.get("lr_warmup_steps"):
        keys["lr_warmup_steps"] = keys["lr_warmup"] / 100  # the GUI counts in hundredths of the run
    if keys.get("max_train_epochs") not in (*EMPTY, 0) or keys.get("epoch") not in (*EMPTY, 0):
        keys.pop("max_train_steps", None)
    last, every = plain(keys.pop("save_last_n_steps", None)), plain(keys.get("save_every_n_steps"))
    if isinstance(last, int) and isinstance(every, int) and last > 0 and every > 0:
        keys["save_last_n_epochs"] = last // every + 1  # those of the last n steps, both ends counted


def _arguments(given: Any, made: Imported) -> Iterator[tuple[str, Any]]:
    """The network's arguments, each written name=value."""
    for line in given.split() if isinstance(given, str) else given or ():
        name, equals, value = str(line).partition("=")
        if not equals:
            made.problems.append(f"network_args: {line!r} is not name=value")
        yield name.strip(), value.strip().strip("\"'")


def _one(key: str, value: Any, fields: Collection[str], made: Imported, where: str) -> None:
    off = value in EMPTY or value in (0, "0", "False", "false")
    option = OPTIONS.get(key)
    if option is not None and option in fields:
        zero_counts = (
            option in ("text_lr", "unet_lr", "max_grad_norm") and isinstance(value, int | float) and value is not False
        )
        if off and not zero_counts:
            return
        try:
            converted = CONVERT.get(option, plain)(value)
        except (ValueError, TypeError) as error:
            made.problems.append(f"{where} = {value!r} cannot be read: {error}")
            return
        if converted is not None:
            made.values[option], made.said[option] = converted, where
    elif off:
        return
    elif key in IGNORED:
        made.notes.append(f"{key} is not needed: {IGNORED[key]}")
    elif key in REFUSED:
        made.problems.append(f"{key} = {value!r} has no counterpart: {REFUSED[key]}")
    elif option is not None:
        made.notes.append(f"{key} is left out: there is no option {option}")
    else:
        made.notes.append(f"{key} is not known and left out")


def _unused(made: Imported) -> None:
    """kohya's files name every setting: those that do nothing beside the others are no wish."""
    values = made.values
    if values.get("schedule") != "cosine-restarts":
        values.pop("cycles", None)
    if values.get("schedule") != "polynomial":
        values.pop("power", None)
    if values.get("schedule") in ("constant", None):
        values.pop("warmup", None)
    if values.get("schedule") == "constant-with-warmup" and not values.get("warmup"):
        values["schedule"] = "constant"
