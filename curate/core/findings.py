"""Findings: what a stage tells about its records and about what it lacks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from curate.errors import CurateError, MissingError


@dataclass(frozen=True, slots=True)
class Findings:
    """What a stage has found out: for people as tables and closing lines, for programs as JSON-able values.

    tables   each a row of headings and rows of cells; names in them stand as they are, whoever prints makes them safe
    closing  lines below the tables
    data     what the tables say and more
    error    what ends the command once the rest was printed
    """

    tables: Sequence[Sequence[Sequence[str]]]
    closing: Sequence[str]
    data: Mapping[str, Any]
    error: CurateError | None = None


@dataclass(frozen=True, slots=True)
class Missing:
    """Something that a stage needs and that is not there: `message` says what and where, `remedy` what to do."""

    message: str
    remedy: str = ""


def missing_error(lacks: Sequence[Missing]) -> MissingError:
    """One error that names everything that is missing, each with its remedy; `lacks` are not empty."""
    # two stages may need the same file
    lacks = list(dict.fromkeys(lacks))
    if len(lacks) == 1:
        return MissingError(lacks[0].message, lacks[0].remedy)
    lines = [f"- {lack.message}" + (f"\n    {lack.remedy}" if lack.remedy else "") for lack in lacks]
    return MissingError(f"{len(lacks)} things are missing:\n" + "\n".join(lines), "nothing was changed")
