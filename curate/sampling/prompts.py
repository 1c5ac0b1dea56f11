"""Reads prompts: a line with flags, and files in the three forms that kohya's scripts take: lines, TOML, JSON."""

from __future__ import annotations

import json
import math
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast, get_args

from curate.diffusion.samplers import Sampler
from curate.errors import InputError


@dataclass(frozen=True, slots=True)
class Prompt:
    """One picture to draw; width and height are multiples of 8. What is None or empty is left open."""

    text: str
    negative: str = ""
    width: int | None = None
    height: int | None = None
    seed: int | None = None
    scale: float | None = None
    steps: int | None = None
    sampler: str = ""


SAMPLERS: tuple[str, ...] = get_args(Sampler)
LARGEST, MOST_STEPS, LAST_SEED = 8192, 1000, 2**63
"""Sides in pixels and steps that a slip of the finger exceeds, and seeds that generators do not take."""


def _side(text: str) -> int:
    if not 0 < (side := int(text)) <= LARGEST:
        raise ValueError(text)
    return max(64, side - side % 8)


def _steps(text: str) -> int:
    if not 0 < (steps := int(text)) <= MOST_STEPS:
        raise ValueError(text)
    return steps


def _seed(text: str) -> int:
    if not -LAST_SEED <= (seed := int(text)) < LAST_SEED:
        raise ValueError(text)
    return seed


def _scale(text: str) -> float:
    if not math.isfinite(scale := float(text)):
        raise ValueError(text)
    return scale


def _sampler(text: str) -> str:
    if text.lower() not in SAMPLERS:
        raise ValueError(text)
    return text.lower()


FLAGS: dict[str, tuple[str, Callable[[str], object], str]] = {
    "n": ("negative", str.strip, "a negative prompt"),
    "w": ("width", _side, f"a width in pixels up to {LARGEST}"),
    "h": ("height", _side, f"a height in pixels up to {LARGEST}"),
    "d": ("seed", _seed, "a seed, a whole number of 64 bits"),
    "l": ("scale", _scale, "a guidance scale, a number"),
    "s": ("steps", _steps, f"a number of steps up to {MOST_STEPS}"),
    "ss": ("sampler", _sampler, f"one of {', '.join(SAMPLERS)}"),
}
KEYS = {
    **{"negative_prompt": "n", "width": "w", "height": "h", "seed": "d", "scale": "l", "sample_steps": "s"},
    "sample_sampler": "ss",
}
"""What TOML and JSON call the flags."""
ELSEWHERE = {
    **dict.fromkeys(("g", "guidance_scale", "fs", "flow_shift"), "it steers other families of models"),
    **dict.fromkeys(("ctr", "cfg_trunc_ratio", "rcfg", "renorm_cfg"), "it steers other families of models"),
    **dict.fromkeys(("cn", "controlnet_image"), "sample pictures are drawn without a ControlNet"),
}
"""Flags and keys of kohya's scripts that have no effect here."""
Table = Mapping[str, Any]


def read_prompts(path: Path) -> list[Prompt]:
    """The prompts of a file.

    Lines: `dog on grass --n blurry --w 512 --h 768 --d 1 --l 7 --s 28 --ss ddim`; those that are empty or start with #
    are passed over. `.toml`: a table `[prompt]` for all and `[[prompt.subset]]` for each. `.json`: a list of tables and
    such lines. Raises InputError naming the line or the prompt's number.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise InputError(
            f"the prompt file {path} does not exist", "give a text file with one prompt per line"
        ) from error
    except OSError as error:
        raise InputError(f"{path} cannot be read as a file of prompts: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8 text: {error}", "save it as UTF-8") from error
    readers = {".toml": _toml, ".json": _json}
    prompts = list(readers.get(path.suffix.lower(), _lines)(text, path))
    if not prompts:
        raise InputError(f"{path} holds no prompt", "write one prompt per line")
    return prompts


def _lines(text: str, path: Path) -> Iterator[Prompt]:
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip() and line.strip()[0] != "#":
            yield read_prompt(line.strip(), f"{path}:{number}")


def _toml(text: str, path: Path) -> Iterator[Prompt]:
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{path} is not TOML: {error}") from error
    common: Any = table.get("prompt")
    if not isinstance(common, dict):
        raise InputError(
            f"{path} holds no table [prompt]", "as kohya's scripts read it, with a [[prompt.subset]] for each"
        )
    shared = {key: value for key, value in cast(Table, common).items() if key != "subset"}
    subsets = common.get("subset", [{}])
    if not isinstance(subsets, list):
        raise InputError(f"{path}: subset is not a list", "write [[prompt.subset]] for each prompt")
    for number, subset in enumerate(cast(Sequence[Any], subsets), 1):
        yield _entry({**shared, **subset} if isinstance(subset, dict) else subset, f"{path}: prompt {number}")


def _json(text: str, path: Path) -> Iterator[Prompt]:
    try:
        entries: Any = json.loads(text)
    except ValueError as error:
        raise InputError(f"{path} is not JSON: {error}") from error
    if not isinstance(entries, list):
        raise InputError(f"{path} holds no list of prompts", 'as [{"prompt": "dog on grass", "width": 512}]')
    for number, entry in enumerate(cast(Sequence[Any], entries), 1):
        yield _entry(entry, f"{path}: prompt {number}")


def _entry(entry: Any, where: str) -> Prompt:
    """A prompt of a TOML or a JSON: a table, or a line with flags."""
    if isinstance(entry, str):
        return read_prompt(entry.strip(), where)
    if not isinstance(entry, dict):
        raise InputError(f"{where}: {entry!r} is not a prompt", "give a table, or a text with flags")
    table = cast(Table, entry)
    text = table.get("prompt")
    if not isinstance(text, str) or not text.strip():
        raise InputError(f"{where} has no text", 'give it as prompt = "…"')
    values: dict[str, object] = {}
    for key, value in table.items():
        if key not in ("prompt", "enum"):
            flag = KEYS.get(key, "")
            name, converted = _value(flag, key, value, where, KEYS)
            values[name] = converted
    return Prompt(text.strip(), **values)  # type: ignore[arg-type]


def read_prompt(line: str, where: str) -> Prompt:
    """The prompt of a line with flags; `where` names it in errors. Raises InputError."""
    text, *rest = re.split(r"(?:^|\s+)--(?=[A-Za-z])", line)
    values: dict[str, object] = {}
    for part in rest:
        flag, _, value = part.partition(" ")
        name, converted = _value(flag.lower(), f"--{flag}", value.strip(), where, [f"--{f}" for f in FLAGS])
        values[name] = converted
    return Prompt(text.strip(), **values)  # type: ignore[arg-type]


def _value(
    flag: str, written: str, value: Any, where: str, known: Sequence[str] | Mapping[str, str]
) -> tuple[str, object]:
    """The field of a flag and its value. Raises InputError for a flag or a value that is none."""
    if flag not in FLAGS:
        reason = ELSEWHERE.get(written.lstrip("-").lower())
        raise InputError(
            f"{where}: {written} has no effect: {reason}" if reason else f"{where}: {written} is unknown",
            "leave it out" if reason else f"known are {', '.join(known)}",
        )
    name, convert, wanted = FLAGS[flag]
    try:
        if isinstance(value, bool | list | dict):
            raise ValueError(value)  # noqa: TRY004 – told as a wrong value, as the others
        return name, convert(str(value))
    except ValueError as error:
        raise InputError(f"{where}: {written} takes {wanted}, not {value!r}") from error
