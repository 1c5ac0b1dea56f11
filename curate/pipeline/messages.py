"""Messages: what is wrong with a value, in plain words."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any


def describe(value: Any) -> str:
    """A value as a message names it."""
    if value is None:
        return "nothing"
    if isinstance(value, dict):
        return "a mapping"
    return "a list" if isinstance(value, list) else f"{value!r}"


def dotted(where: Iterable[str | int]) -> str:
    """A path of keys as `a.b.0`."""
    return ".".join(str(p) for p in where)


def mistakes(errors: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """pydantic's errors without those that follow from others: a list whose wrong values left it too short."""
    places = [tuple(e["loc"]) for e in errors]
    return [
        e
        for e, place in zip(errors, places, strict=True)
        if e["type"] != "too_short" or not any(p != place and p[: len(place)] == place for p in places)
    ]


def explain(error: Mapping[str, Any]) -> str:
    """One pydantic error in plain words, with what was found."""
    message = str(error["msg"]).removeprefix("Value error, ")
    message = message[:1].lower() + message[1:]
    found = error.get("input")
    choices = str((error.get("ctx") or {}).get("expected", ""))
    if error["type"] == "literal_error" and isinstance(found, str):
        return f'"{found}" is not one of {choices}' + (f"; {hint}" if (hint := _hint(found, choices)) else "")
    if error["type"] == "value_error" and (isinstance(found, dict | list | tuple) or f'"{found}"' in message):
        return message  # a stage that looked at the value has said what it found there
    return f"{message}, found {describe(found)}"


def _hint(value: str, choices: str) -> str:
    names = [c.strip("' ") for c in choices.replace(" or ", ",").split(",")]
    close = difflib.get_close_matches(value, names, 1)
    return f'did you mean "{close[0]}"?' if close else ""
