"""Option names: a message names an option as the user writes it, `start_from` in YAML, `--start-from` in a command."""

from __future__ import annotations

import re
from collections.abc import Collection

COMMON = frozenset(("caption_form", "caption_encoding", "require_gpu"))
"""Options of every stage's command that are none of the stage's own."""


def as_typed(text: str, names: Collection[str]) -> str:
    """A message with the options of `names` as they are typed in a command.

    A name of one word may be any word, so it is one only in front of what is said of it. Quoted words and parts of
    paths stay, and so does the `name = value` of a settings file.
    """
    several = "|".join(sorted((re.escape(n) for n in names if "_" in n), key=len, reverse=True))
    single = "|".join(sorted(re.escape(n) for n in names if "_" not in n))
    if several:
        text = re.sub(rf"(?<![\w/\\.\-'\"]){_group(several)}(?![\w/\\\-'\"=]|\.\w| = )", _typed, text)
    if single:
        text = re.sub(rf"(?m)^((?:- )?){_group(single)}(?=: | has no effect)", lambda m: m[1] + _typed(m, 2), text)
        one = rf"(?:--[\w-]+|{single})"
        listed = rf"(?m)^(?:- )?{one}(?:(?:, | and ){one})+(?= have no effect)"
        text = re.sub(listed, lambda m: re.sub(rf"(?<![\w-]){_group(single)}(?![\w-])", _typed, m[0]), text)
    return text


def _group(names: str) -> str:
    return f"({names})"


def _typed(match: re.Match[str], group: int = 1) -> str:
    return "--" + match[group].replace("_", "-")
