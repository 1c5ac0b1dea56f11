"""Wording: several captions of one picture, of which each showing draws one, and `{a|b}` in them."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from curate.errors import InputError

_CHOICE = re.compile(r"(?<!\{)\{([^{}]*)\}(?!\})")
_OPEN, _CLOSE = "\x02", "\x03"
"""Stand for the doubled braces, which are literal."""


@dataclass(frozen=True, slots=True)
class Wording:
    """One caption of a picture.

    text  as one line; it may hold choices `{a|b}`
    kept  how many tags `|||` keeps first and last, None where it has none
    """

    text: str
    kept: tuple[int, int] | None = None


def has_choices(text: str) -> bool:
    """Whether a text holds braces that resolving changes."""
    return "{" in text or "}" in text


def odd_choice(text: str) -> str:
    """What is wrong with the choices `{a|b}` in a text: `{` without `}`, or a choice of nothing; "" where all pair."""
    plain = text.replace("{{", "").replace("}}", "")
    if match := re.search(r"\{\s*(?:\|\s*)*\}", plain):
        return f"{match[0]} chooses nothing"
    left = resolve(plain, lambda options: options[0])
    if "{" in left:
        return "{ stands without its }"
    return "} stands without its {" if "}" in left else ""


def offers_choice(text: str) -> bool:
    """Whether a text holds a choice `{a|b}`."""
    return any("|" in match[1] for match in _CHOICE.finditer(text))


def resolve(text: str, choose: Callable[[Sequence[str]], str]) -> str:
    """The text with one of each `{a|b}`, inner braces first; `{{` and `}}` become braces, a brace alone stays."""
    text = text.replace("{{", _OPEN).replace("}}", _CLOSE)
    while match := _CHOICE.search(text):
        text = text[: match.start()] + choose(match[1].split("|")) + text[match.end() :]
    return text.replace(_OPEN, "{").replace(_CLOSE, "}")


def draw(wording: Wording, chance: random.Random, separator: str = ",") -> Wording:
    """The wording with its choices drawn."""
    return _resolved(wording, chance.choice, separator)


def first(wording: Wording, separator: str = ",") -> Wording:
    """The wording with the first of each choice."""
    return _resolved(wording, lambda options: options[0], separator)


def longest(wording: Wording, separator: str = ",") -> Wording:
    """The wording with the longest of each choice, in characters."""
    return _resolved(wording, lambda options: max(options, key=len), separator)


def possible(wordings: Sequence[Wording], most: int, separator: str = ",") -> list[Wording] | None:
    """Every wording with every choice, each once; None where there are more than `most`."""
    result: dict[Wording, None] = {}
    for wording in wordings:
        for one in _each(wording, separator):
            result[one] = None
            if len(result) > most:
                return None
    return list(result)


def pieces(text: str, separator: str = ",") -> list[str]:
    """The text between separators that stand in no braces."""
    result, depth, start = list[str](), 0, 0
    for match in re.finditer(rf"\{{|\}}|{re.escape(separator)}", text):
        if match[0] != separator:
            depth = max(0, depth + (1 if match[0] == "{" else -1))
        elif depth == 0:
            result.append(text[start : match.start()])
            start = match.end()
    return [*result, text[start:]]


def _resolved(wording: Wording, choose: Callable[[Sequence[str]], str], separator: str) -> Wording:
    """With its choices made; what is kept is counted anew, since a choice may hold several tags or none."""
    if not has_choices(wording.text):
        return wording
    parts = [(part, resolve(part, choose)) for part in pieces(wording.text, separator)]
    written = [made for part, made in parts if made.strip() or not part.strip()]
    kept = wording.kept
    if kept is not None:
        first, last = kept
        made = [made for _, made in parts]
        kept = _tags(made[:first], separator), _tags(made[len(made) - last :], separator)
    return Wording(separator.join(written).strip(), kept)


def _tags(parts: Sequence[str], separator: str) -> int:
    return sum(bool(tag.strip()) for part in parts for tag in part.split(separator))


def _each(wording: Wording, separator: str) -> Iterator[Wording]:
    """Every way to make the choices, in order: the last choice changes fastest."""
    path: list[int] | None = []
    while path is not None:
        chosen = _Chosen(path)
        yield _resolved(wording, chosen, separator)
        path = chosen.following()


class _Chosen:
    """Chooses by numbers, the first where they end, and knows the numbers of the next way."""

    def __init__(self, path: Sequence[int]) -> None:
        self.path = list(path)
        self.sizes: list[int] = []

    def __call__(self, options: Sequence[str]) -> str:
        if len(self.sizes) == len(self.path):
            self.path.append(0)
        self.sizes.append(len(options))
        return options[self.path[len(self.sizes) - 1]]

    def following(self) -> list[int] | None:
        path = list(self.path)
        while path:
            last = path.pop() + 1
            if last < self.sizes[len(path)]:
                return [*path, last]
        return None


def read_json(text: str, file: Path) -> list[str]:
    """The captions of a .json file: a list of texts, or an object with it (or one text) under `captions` or `caption`.

    Raises InputError.
    """
    remedy = 'write a list of captions: ["zwx dog, grass", "zwx dog on a meadow"]'
    try:
        content: Any = json.loads(text)
    except ValueError as error:
        raise InputError(f"{file}: the captions cannot be read, it is no JSON: {error}", remedy) from error
    if isinstance(content, dict):
        fields = cast("dict[str, Any]", content)
        content = fields.get("captions", fields.get("caption"))
    listed = cast("list[Any]", content) if isinstance(content, list) else [content]
    if not all(isinstance(one, str) for one in listed):
        raise InputError(f"{file}: the captions cannot be read, it holds no list of texts", remedy)
    if any(not one.isprintable() and not _encodes(one) for one in listed):
        raise InputError(
            f"{file}: the captions cannot be read, it holds half of a character", "write it anew, in UTF-8"
        )
    return [one for one in listed if one.strip()]


def _encodes(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
