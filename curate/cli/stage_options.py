"""Stage options: a stage's fields as options of its command, and what the user typed as the field takes it."""

from __future__ import annotations

import re
import types
from collections.abc import Collection, Mapping
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import typer
from pydantic.fields import FieldInfo

from curate.cli.pairs import pair

_FIELD = re.compile(r"\b[a-z]+(?:_[a-z]+)+\b")
"""What may be the name of a field in a description."""


def field_option(name: str, info: FieldInfo, panel: str | None, fields: Collection[str] = ()) -> Any:
    """The typer annotation of a stage's field: simple types as they are, lists repeated, mappings as KEY=VALUE.

    Help names the stage's other `fields` as the options that they are on the command line.
    """
    flag = _flag(name)
    kind = _simple(info.annotation)
    details: dict[str, Any] = {"help": _help(info, kind, fields), "show_default": False, "rich_help_panel": panel}
    if kind is bool:
        flag += f"/--no-{name.replace('_', '-')}"
    elif get_origin(kind) is list:
        details["metavar"] = "KEY=VALUE" if _mapping(info.annotation) else f"<{get_args(kind)[0].__name__}>"
    elif info.examples:
        listed = [str(value) for value in info.examples]
        details["autocompletion"] = lambda: listed
    return Annotated[kind | None, typer.Option(flag, **details)]


def _flag(name: str) -> str:
    """A field as an option of a command."""
    return "--" + name.replace("_", "-")


def _help(info: FieldInfo, kind: Any, fields: Collection[str]) -> str:
    """The field's description, its default unless the description tells it, and what a list may hold."""
    text = _FIELD.sub(lambda match: _flag(match[0]) if match[0] in fields else match[0], info.description or "")
    if "Default:" not in text and (default := _default(info, kind)):
        text += f" [default: {default}]"
    if get_origin(kind) is not list:
        return text
    choices = dict.fromkeys(_choices(info.annotation))
    return text + (f" One of {', '.join(choices)}." if choices else "") + " Repeatable."


def _default(info: FieldInfo, kind: Any) -> str:
    """The default as help shows it; "" where there is nothing to show."""
    default = info.get_default(call_default_factory=True)
    if kind is bool and default is not None:
        return "on" if default else "off"
    if default in (None, (), [], {}, "") or isinstance(default, bool):
        return ""
    return ", ".join(map(str, default)) if isinstance(default, (tuple, list)) else str(default)


def _choices(annotation: Any) -> list[str]:
    """The words that a list may hold, where its type names them."""
    literals = [a for member in _union(annotation) for a in get_args(member) if get_origin(a) is Literal]
    return [str(choice) for literal in literals for choice in get_args(literal)]


def _union(annotation: Any) -> list[Any]:
    """The members of a union without None; the annotation alone where it is none."""
    if get_origin(annotation) in (Union, types.UnionType):
        return [a for a in get_args(annotation) if a is not type(None)]
    return [annotation]


def _simple(annotation: Any) -> Any:
    members = _union(annotation)
    if len(members) != 1:
        return list[str] if any(get_origin(m) in (tuple, list) for m in members) else str
    only = members[0]
    if get_origin(only) is Annotated:
        return _simple(get_args(only)[0])
    if only in (bool, int, float, str) or get_origin(only) is Literal:
        return only
    if get_origin(only) in (tuple, list):
        inner = _simple(get_args(only)[0]) if get_args(only) else str
        return list[inner if inner in (int, float) else str]
    return list[str] if get_origin(only) in (dict, Mapping) else str


def _mapping(annotation: Any) -> bool:
    """Whether a field takes nothing but a mapping; one that takes a list too reads `NAME=VALUE` itself."""
    return all(get_origin(m) in (dict, Mapping) for m in _union(annotation))


def field_value(info: FieldInfo, value: Any, name: str) -> Any:
    """What the user typed, as the field takes it: KEY=VALUE pairs become a mapping, `a, b` in a value a list."""
    if not _mapping(info.annotation):
        return value
    pairs: dict[str, Any] = {}
    for one in value:
        key, text = pair(one, f"--{name.replace('_', '-')}")
        pairs[key] = _plain(text)
    return pairs


def _plain(text: str) -> Any:
    from curate.pipeline.yaml_nodes import plain_value

    if not text:
        return None
    return plain_value(f"[{text}]" if "," in text and not text.startswith(("[", "{")) else text)
