"""Reads the TOML of LoRA_Easy_Training_Scripts: `[[subsets]]`, and tables `args` and `dataset_args` in each section."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from curate.train.options.kohya import dataset
from curate.train.options.kohya.settings import Imported, Problem, Setting, Settings

Table = Mapping[str, Any]
LISTS = ("network_args", "optimizer_args", "lr_scheduler_args")
OWN = "it belongs to the window of LoRA_Easy_Training_Scripts"
OWN_KEYS = ("easy_name", "tag_occurrence", "tag_file_location", "save_toml", "save_toml_location", "loss_type_combo")


def fits(table: Table) -> bool:
    """Whether a TOML is one of LoRA_Easy_Training_Scripts."""
    sections = [cast(Table, value) for value in table.values() if isinstance(value, dict)]
    return isinstance(table.get("subsets"), list) or any("args" in one or "dataset_args" in one for one in sections)


def read(table: Table, path: Path, result: Imported) -> Settings:
    """Its settings by the names of the training script's arguments."""
    mode = cast(Table, table.get("train_mode") or {}).get("train_mode", "lora")
    if str(mode).lower() != "lora":
        result.problems.append(Problem(f"{path}: train_mode = {mode!r}: curate trains LoRAs, not embeddings"))
    args = dict(_tables(table, "args"))
    subsets = cast(Sequence[Table], table.get("subsets") or [])
    common = {key: value for key, value in _tables(table, "dataset_args") if value}
    settings = dataset.common([{**common, **_switched_on(one)} for one in subsets] or [common], path, result)
    name = str(args.get("easy_name") or "")
    for key in OWN_KEYS:
        if args.pop(key, None):
            result.notes.append(f"{key} has no effect: {OWN}")
    for key, value in args.items():
        filled = value.replace("${replace}", name) if isinstance(value, str) else value
        settings[key] = Setting(_lines(filled) if key in LISTS else filled, f"{path}: {key}")
    return _module(settings, args, path)


def _tables(table: Table, which: str) -> Iterator[tuple[str, Any]]:
    for section in table.values():
        if isinstance(section, dict) and isinstance(inner := cast(Table, section).get(which), dict):
            yield from cast(Table, inner).items()


def _switched_on(subset: Table) -> Table:
    """A subset without what is off: there such keys are left out of the dataset TOML."""
    return {key: value for key, value in subset.items() if value or key == "keep_tokens"}


def _lines(value: Any) -> Any:
    """A table of arguments as `name=value` lines."""
    if not isinstance(value, dict):
        return value
    return [f"{key}={_value(one)}" for key, one in cast(Table, value).items() if one not in ("", None)]


def _value(value: Any) -> str:
    if isinstance(value, list):
        return ",".join(str(one) for one in cast(Sequence[Any], value))
    text = str(value)
    return text.capitalize() if text.lower() in ("true", "false") else text


def _module(settings: Settings, args: Table, path: Path) -> Settings:
    """The network module, which its window derives from the network's arguments."""
    given = cast(Table, args.get("network_args") or {})
    module = "networks.lora"
    if settings.pop("fa", Setting(False, "")).value:
        module = "networks.lora_fa"
    elif "algo" in given:
        module = "lycoris.kohya"
    elif "unit" in given:
        module = "networks.dylora"
    elif "guidance_scale" in args:
        module = "networks.lora_flux"
    if args and "network_module" not in settings:
        where = f"{path}: network_args" if given else f"{path}: network_module"
        settings["network_module"] = Setting(module, where)
    warm = settings.pop("warmup_ratio", None)
    if warm is not None:
        settings["lr_warmup_steps"] = Setting(float(warm.value or 0), warm.where)
    return settings
