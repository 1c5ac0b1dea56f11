"""Reads a pasted command: `accelerate launch … train_network.py …`, as shells on Linux, macOS and Windows take it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path, PureWindowsPath
from typing import Any

from curate.diffusion.family import families, titles
from curate.train.options.kohya.settings import Imported, Outcome, Problem, Setting, Settings
from curate.train.options.kohya.shell import expand, joined, words

SCRIPT = re.compile(r"(?:^|\.)(?P<family>[a-z0-9_]+_)?(?P<what>train_network)(\.py)?$", re.IGNORECASE)
OTHER = re.compile(
    r"(train_db|fine_tune|[a-z0-9_]+_train|train_textual_inversion|train_controlnet)(\.py)?$", re.IGNORECASE
)
ENDS = frozenset((";", "&&", "||", "|", "&", ">", ">>", "2>&1", "2>", "<"))
"""Words after which another command begins."""
LISTS = frozenset(
    (
        "network_args",
        "optimizer_args",
        "lr_scheduler_args",
        "text_encoder_lr",
        "base_weights",
        "base_weights_multiplier",
    )
)
"""Arguments that take several values."""
RENAMED = {"caption_extention": "caption_extension"}
_FLAG = re.compile(r"--?[A-Za-z]")


def read(text: str, path: Path, result: Imported) -> Settings:
    """The settings of the command in a file. Adds a problem where the file holds none, or one of another trainer."""
    variables: dict[str, str] = {}
    other, bare = "", list[str]()
    for line in joined(text):
        given = words(expand(line, variables), path.suffix.lower())
        if assigned := _assignment(given):
            variables[assigned[0]] = assigned[1]
            continue
        at = next((i for i, word in enumerate(given) if SCRIPT.search(_name(word))), None)
        if at is not None:
            return _training(given, at, path, result)
        other = other or next((word for word in given if OTHER.search(_name(word))), "")
        bare += given if bare or (given and given[0].startswith("--")) else []
    if bare:
        return flags(bare, str(path), result)
    scripts = [f"{found.kohya[0]}.py" for found in families().values() if found.kohya[1:]]
    wanted = " or ".join(dict.fromkeys(["train_network.py", *scripts]))
    found = f"{_name(other)} trains no LoRA: " if other else "it holds no command of kohya's scripts: "
    result.problems.append(Problem(f"{path}: {found}expected {wanted}"))
    return {}


def _training(given: Sequence[str], at: int, path: Path, result: Imported) -> Settings:
    """The arguments behind the script; those before it are the launcher's."""
    family = (SCRIPT.search(_name(given[at])) or {"family": ""})["family"] or ""
    script = f"{family.lower()}train_network"
    known = [found for found in families().values() if script in found.kohya]
    if family and not known:
        message = f"{path}: {_name(given[at])} trains another family of models; curate trains {titles()}"
        result.problems.append(Problem(message))
    for word in given[:at]:
        if word.startswith("--"):
            name = word.lstrip("-").partition("=")[0]
            reason = "has no effect: it belongs to the launcher, and curate starts without one"
            result.notes.append(f"{name} {reason}")
            result.outcomes.append(Outcome(name, f"{path}: {name}", word.partition("=")[2] or True, reason=reason))
    settings = flags(given[at + 1 :], str(path), result)
    for switch in known[0].kohya[1:2] if known else ():
        settings[switch] = Setting(True, f"{path}: {_name(given[at])}")
    return settings


def flags(given: Sequence[str], where: str, result: Imported) -> Settings:
    """Words of a command line as settings: `--name value`, `--name=value`, `--name` alone for a switch."""
    settings: Settings = {}
    for flag, values in _grouped(given):
        name = RENAMED.get(flag, flag)
        place = f"{where}: {name}" if where.endswith("additional_parameters") else f"{where}: --{name}"
        if any("$" in value or re.search(r"%\w+%", value) for value in values):
            message = f"{place} = {' '.join(values)!r} holds a variable that the file does not set"
            result.problems.append(Problem(message))
        elif name in LISTS:
            settings[name] = Setting(list(values), place)
        elif len(values) > 1:
            message = f"{place} takes one value, not {' '.join(values)!r}: put quotes around a value with spaces"
            result.problems.append(Problem(message))
        else:
            settings[name] = Setting(values[0] if values else True, place)
    return settings


def _grouped(given: Sequence[str]) -> Iterator[tuple[str, list[str]]]:
    """Each flag with its values, up to the end of the command."""
    name, values = "", list[str]()
    for word in given:
        if word in ENDS:
            break
        if _FLAG.match(word) and word.startswith("--"):
            if name:
                yield name, values
            name, equals, value = word[2:].partition("=")
            name, values = name.replace("-", "_"), [value] if equals else []
        elif name:
            values.append(word)
    if name:
        yield name, values


def _name(word: str) -> str:
    return PureWindowsPath(word.strip("\"'")).name


def _assignment(given: Sequence[str]) -> tuple[str, Any] | None:
    """A line that sets a variable, as NAME=value, export NAME=value, set NAME=value or $NAME = value."""
    rest = list(given[1:] if given and given[0].lower() in ("export", "set", "local") else given)
    text = rest[0] if len(rest) == 1 else ""
    if len(rest) == 3 and rest[1] == "=":
        text = " ".join(rest)
    found = re.fullmatch(r"\$?(?:env:)?([A-Za-z_]\w*)\s*=\s*(.*)", text, re.DOTALL)
    return (found[1], found[2]) if found else None
