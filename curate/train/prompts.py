"""Reads the file of prompts for sample pictures, in the form that kohya's scripts take."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from curate.errors import InputError


@dataclass(frozen=True, slots=True)
class Prompt:
    """One picture to draw; width and height are multiples of 8, None is what the run has."""

    text: str
    negative: str = ""
    width: int | None = None
    height: int | None = None
    seed: int | None = None
    scale: float = 7.5
    steps: int = 30


def _side(text: str) -> int:
    return max(64, int(text) - int(text) % 8)


FLAGS: dict[str, tuple[str, Callable[[str], object], str]] = {
    "n": ("negative", str.strip, "a negative prompt"),
    "w": ("width", _side, "a width in pixels"),
    "h": ("height", _side, "a height in pixels"),
    "d": ("seed", int, "a seed, a whole number"),
    "l": ("scale", float, "a guidance scale, a number"),
    "s": ("steps", int, "a number of steps"),
}


def read_prompts(path: Path) -> list[Prompt]:
    """The prompts of a file, one a line; empty lines and those that start with # are passed over.

    `dog on grass --n blurry --w 512 --h 768 --d 1 --l 7 --s 28`. Raises InputError naming the line.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except FileNotFoundError as error:
        raise InputError(f"there is no file {path} of prompts") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is no UTF-8 text: {error}", "save it as UTF-8") from error
    found = [_prompt(line.strip(), f"{path}:{n}") for n, line in enumerate(lines, 1) if line.strip() and line.strip()[0] != "#"]
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
    prompt = Prompt(text.strip(), **values)  # type: ignore[arg-type]
    if prompt.steps < 1:
        raise InputError(f"{where}: --s wants a number of steps, not {prompt.steps}")
    return prompt
