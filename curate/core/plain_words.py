"""Plain words: what is wrong with a value, as a person says it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from curate.core.registry import closest

_LONGEST = 80
"""Characters of a value that a message shows."""


def describe(value: Any) -> str:
    """A value as a message names it."""
    if value is None:
        return "nothing"
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    text = repr(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def dotted(where: Iterable[str | int]) -> str:
    """A path of keys as `a.b.0`."""
    return ".".join(str(p) for p in where)


def mistakes(errors: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """pydantic's errors, one for each mistake.

    Those that follow from others are left out: a list whose wrong values left it too short.
    """
    places = [tuple(e["loc"]) for e in errors]
    return [
        {**e, "msg": line}
        for e, place in zip(errors, places, strict=True)
        if e["type"] != "too_short" or not any(p != place and p[: len(place)] == place for p in places)
        # what to do is indented below what is wrong
        for line in re.sub(r"\n\s+", ": ", str(e["msg"])).splitlines()
    ]


_RULES = (
    (r"a valid integer.*", "must be a whole number"),
    (r"a valid number.*", "must be a number"),
    (r"a valid boolean.*", "must be true or false"),
    (r"a valid string.*", "must be text"),
    (r"a valid (?:tuple|list).*", "must be a list"),
    (r"a valid dictionary.*", "must be a mapping"),
    (r"a finite number.*", "must be a finite number"),
    (r"greater than or equal to (.+)", r"must be at least \1"),
    (r"greater than (.+)", r"must be more than \1"),
    (r"less than or equal to (.+)", r"must be at most \1"),
    (r"less than (.+)", r"must be less than \1"),
    (r"(.+)", r"must be \1"),
)
"""What pydantic says that an input should be, and how a message says it."""


def plain(message: str) -> str:
    """A message of pydantic's in plain words; any other message stays."""
    if message == "Field required":
        return "is required"
    for pattern, words in _RULES:
        if (match := re.fullmatch(f"[Ii]nput should be {pattern}", message)) is not None:
            return match.expand(words)
    if (match := re.fullmatch(r"(?:Value error, )?'(.*)' is not one of (.*?)\.?", message)) is not None:
        return _no_choice(*match.groups())
    return message[:1].lower() + message[1:]


def explain(error: Mapping[str, Any]) -> str:
    """One pydantic error in plain words, with what was found. It stands behind the option's name."""
    message = plain(str(error["msg"]).removeprefix("Value error, "))
    name = str(error["loc"][-1]) if error["loc"] else ""
    if name:
        message = re.sub(rf"^{re.escape(name)}(?:: | )", "", message)
    found = error.get("input")
    choices = str((error.get("ctx") or {}).get("expected", ""))
    if error["type"] == "literal_error" and isinstance(found, str):
        return _no_choice(found, choices)
    if error["type"] == "value_error" and (isinstance(found, dict | list | tuple) or str(found) in message):
        return message  # a stage that looked at the value has said what it found there
    return message if error["type"] == "missing" else f"{message}, not {describe(found)}"


def _no_choice(value: str, choices: str) -> str:
    close = closest(value, [c.strip("' ") for c in choices.replace(" or ", ",").split(",")])
    return f'"{value}" is not one of {choices}' + (f'; did you mean "{close}"?' if close else "")
