"""Check answer: what checks find, as lines that one process writes and another reads, of a million pictures too."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, cast

from curate.checks.findings import CheckResult
from curate.core.packed import Packed

_TOGETHER = 1000


def lines(result: CheckResult) -> Iterator[str]:
    """The result as lines of JSON: what is not a trap; then each trap, followed by its places and its pictures."""
    skipped = [dataclasses.asdict(one) for one in result.skipped]
    yield json.dumps({"plan": dict(result.plan), "not_checked": skipped}) + "\n"
    for one in result.findings:
        yield json.dumps({"check": one.check, "message": one.message, "remedy": one.remedy}) + "\n"
        yield from _parts("places", map(dataclasses.asdict, one.places))
        yield from _parts("pictures", one.pictures)


def _parts(name: str, entries: Iterable[Any]) -> Iterator[str]:
    each = iter(entries)
    while some := list(islice(each, _TOGETHER)):
        yield json.dumps([name, some]) + "\n"


def read(given: Iterable[bytes]) -> dict[str, Any]:
    """The values of a CheckResult; the places and pictures of its traps are packed. ValueError for other lines."""
    answer: dict[str, Any] = {}
    traps: list[dict[str, Any]] = []
    for line in given:
        value = json.loads(line)
        if isinstance(value, list):
            name, entries = cast("tuple[str, list[Any]]", value)
            for entry in entries:
                traps[-1][name].append(entry)
        elif answer:
            traps.append({**value, "places": Packed[Any](), "pictures": Packed[str]()})
        else:
            answer = value
    if not answer:
        raise ValueError("no answer")
    return {**answer, "traps": traps}
