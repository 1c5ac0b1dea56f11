"""Findings: what a stage tells about its records and about what it lacks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Findings:
    """What a stage has found out: for people as tables and closing lines, for programs as JSON-able values.

    tables   each a row of headings and rows of cells; names in them stand as they are, whoever prints makes them safe
    closing  lines below the tables
    data     what the tables say and more
    """

    tables: Sequence[Sequence[Sequence[str]]]
    closing: Sequence[str]
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Missing:
    """Something that a stage needs and that is not there: `message` says what and where, `remedy` what to do."""

    message: str
    remedy: str = ""
