"""Reads the file of prompts for sample pictures, in the form that kohya's scripts take."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from curate.errors import InputError
from curate.train.options.watch import Sampler


@dataclass(frozen=True, slots=True)
class Prompt:
    """One picture to draw; width and height are multiples of 8, None and no sampler are what the run has."""

    text: str
    negative: str = ""
    width: int | None = None
    height: int | None = None
    seed: int | None = None
    scale: float = 7.5
    steps: int = 30
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


def read_prompts(path: Path) -> list[Prompt]:
    """The prompts of a file, one a line; empty lines and those that start with # are passed over.

    `dog on grass --n blurry --w 512 --h 768 --d 1 --l 7 --s 28 --ss ddim`. Raises InputError naming the line.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except FileNotFoundError as error:
        raise InputError(f"there is no file {path} of prompts") from error
    except OSError as error:
        raise InputError(f"{path} cannot be read as a file of prompts: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is no UTF-8 text: {error}", "save it as UTF-8") from error
    found = [
        _prompt(line.strip(), f"{path}:{n}")
        for n, line in enumerate(lines, 1)
        if line.strip() and line.strip()[0] != "#"
    ]
    if not found:
        raise InputError(f"{path} holds no prompt", "write one a line")
    return found


def _prompt(line: str, where: str) -> Prompt:
    text, *rest = re.split(r"(?:^|\s+)--(?=[A-Za-z])", line)
    values: dict[str, object] = {}
    for part in rest:
        flag, _, value = part.partition(" ")
        if flag not in FLAGS:
            raise InputError(f"{where}: --{flag} is unknown", f"known are {', '.join('--' + f for f in FLAGS)}")
        name, convert, wanted = FLAGS[flag]
        try:
            values[name] = convert(value.strip())
        except ValueError as error:
            raise InputError(f"{where}: --{flag} wants {wanted}, not {value.strip()!r}") from error
    return Prompt(text.strip(), **values)  # type: ignore[arg-type]
