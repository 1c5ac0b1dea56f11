"""Values file: writes the values of a report as JSON, entry by entry: a million are never all held."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Any, cast


def write_values(file: Path, values: Mapping[str, Any]) -> None:
    """JSON with a line for each value, and for each entry of a list: indenting all takes five times the memory.

    Iterators are written as lists; what they give holds no other iterators.
    """
    with file.open("w", encoding="utf-8", newline="\n") as out:
        out.write("{")
        for number, (name, value) in enumerate(values.items()):
            out.write(f"{',' if number else ''}\n {json.dumps(name)}: ")
            out.writelines(_lines(value) if isinstance(value, list | Iterator) else _pieces(value))
        out.write("\n}")


def _lines(entries: Iterable[Any]) -> Iterator[str]:
    plain = isinstance(entries, Iterator)
    first = True
    for entry in entries:
        yield "[\n  " if first else ",\n  "
        yield from (json.dumps(entry),) if plain else _pieces(entry)
        first = False
    yield "[]" if first else "\n ]"


def _pieces(value: Any) -> Iterator[str]:
    """The text that json.dumps makes."""
    if isinstance(value, Iterator):
        yield from _separated("[", "]", ((json.dumps(entry),) for entry in cast("Iterator[Any]", value)))
    elif isinstance(value, list):
        yield from _separated("[", "]", map(_pieces, cast("list[Any]", value)))
    elif isinstance(value, dict):
        items = cast("dict[str, Any]", value).items()
        yield from _separated("{", "}", (chain((f"{json.dumps(name)}: ",), _pieces(one)) for name, one in items))
    else:
        yield json.dumps(value)


def _separated(start: str, end: str, entries: Iterable[Iterable[str]]) -> Iterator[str]:
    yield start
    for number, entry in enumerate(entries):
        if number:
            yield ", "
        yield from entry
    yield end
