"""The lists of prompts that a person may edit: read from YAML, and written with the usual ones where there are none."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from curate.core import registry
from curate.core.files import write_text
from curate.errors import InputError
from curate.evaluate.prompts import TEMPLATED, TITLES, Kind

Lists = Mapping[Kind, Sequence[str]]

USUAL: Lists = {
    "trigger": ("{trigger}",),
    "alter": (
        "{trigger} on a sandy beach",
        "{trigger} in deep snow",
        "{trigger} on a rooftop at night",
        "{trigger} in a crowded market",
        "{trigger} inside an old library",
        "{trigger} in a field of sunflowers",
        "{trigger} beside a campfire",
        "{trigger} in front of a waterfall",
        "{trigger} on a train platform",
        "{trigger} under a red umbrella",
    ),
    "style": (
        "a watercolor painting of {trigger}",
        "a charcoal drawing of {trigger}",
        "pixel art of {trigger}",
        "a paper collage of {trigger}",
        "a stained glass window of {trigger}",
        "a marble sculpture of {trigger}",
        "an oil painting of {trigger} with thick strokes",
        "a black and white photo of {trigger}",
        "a comic book panel with {trigger}",
        "a woodcut print of {trigger}",
    ),
    "agnostic": (
        "a {class} in a park",
        "a red bicycle against a brick wall",
        "a {class} on a sandy beach",
        "a bowl of oranges on a table",
        "a {class} in deep snow",
        "a lighthouse on a cliff",
        "a {class} on a street at night",
        "a steam train crossing a bridge",
        "a watercolor painting of a {class}",
        "an old man reading a newspaper",
    ),
}
_HEADER = """\
# Prompts by which `curate evaluate` judges a LoRA. Edit them as you like: the next evaluation reads this file.
# {trigger} stands for a concept's trigger words, {class} for its class word. Prompts from the top are used first.
# (word:1.2) and [word] set weights; \\( is a plain parenthesis.
"""


def write_usual(path: Path) -> None:
    """Writes the usual lists. Raises a CurateError naming the file where the disk refuses."""
    lines = [_HEADER]
    for kind, templates in USUAL.items():
        lines.append(f"\n{kind}:   # {TITLES[kind]}\n")
        lines += [f"  - '{template}'\n" for template in templates]
    write_text(path, "".join(lines))


def read_lists(path: Path) -> Lists:
    """The lists of a file; a kind that it leaves out has the usual one.

    Raises InputError that names file and line of every mistake.
    """
    try:
        content: Any = YAML(typ="rt", pure=True).load(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError as error:
        raise InputError(
            f"the file of prompts {path} does not exist", "leave it out: one with the usual prompts is written"
        ) from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8 text: {error}", "save it as UTF-8") from error
    except YAMLError as error:
        mark: Any = getattr(error, "problem_mark", None)
        where = f"{path}:{mark.line + 1}" if mark else str(path)
        problem = str(getattr(error, "problem", None) or error)
        remedy = "put the prompt in single quotes: '…'" if "escape character" in problem else ""
        raise InputError(f"{where}: not YAML: {problem}", remedy) from error
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error
    if content is None:
        return USUAL
    if not isinstance(content, dict):
        raise InputError(f"{path}:1: expected lists called {', '.join(TEMPLATED)}")
    mistakes = list(_mistakes(content, path))
    if mistakes:
        raise InputError("\n".join(mistakes), "the usual lists come back if you delete the file")
    lists = cast(Mapping[Kind, Sequence[str]], content)
    return {kind: tuple(map(str, lists.get(kind, USUAL[kind]))) for kind in TEMPLATED}


def _mistakes(content: Any, path: Path) -> Iterator[str]:
    for key, value in content.items():
        where = f"{path}:{content.lc.key(key)[0] + 1}"
        if key not in TEMPLATED:
            yield f'{where}: there is no kind of prompts "{key}": {registry.nearest(str(key), TEMPLATED)}'
        elif not isinstance(value, list) or not value:
            yield f"{where}: {key} is not a list of prompts"
        else:
            for number, template in enumerate(cast(Sequence[Any], value)):
                line = cast(Any, value).lc.item(number)[0] + 1
                if reason := _mistake(key, template):
                    yield f"{path}:{line}: {reason}"


def _mistake(kind: Kind, template: Any) -> str:
    """What is wrong with a prompt; "" where nothing is."""
    if not isinstance(template, str) or not template.strip():
        return f"{template!r} is not a prompt: write it in quotes"
    unknown = [name for name in re.findall(r"\{(.*?)\}", template) if name not in ("trigger", "class")]
    if unknown:
        return f'nothing is called {{{unknown[0]}}}: use {{trigger}} or {{class}} in "{template}"'
    if kind == "agnostic" and "{trigger}" in template:
        return f'"{template}" names the {{trigger}}: prompts of {kind} show what the LoRA does without it'
    if kind != "agnostic" and "{trigger}" not in template:
        return f'"{template}" does not name the {{trigger}}'
    return ""
