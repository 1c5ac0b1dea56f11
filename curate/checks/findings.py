"""What checks find: for each trap the files, the pictures and the remedy, as values that any page can show."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Place:
    """A file with a fault.

    file     relative to the checked folder, in POSIX form
    detail   what is wrong with this one, "" where the finding says it all
    picture  the picture it concerns, likewise relative; "" where there is none (a caption without picture)
    """

    file: str
    detail: str = ""
    picture: str = ""

    def __str__(self) -> str:
        return f"{self.file} ({self.detail})" if self.detail else self.file


@dataclass(frozen=True, slots=True)
class Finding:
    """A trap.

    check    name of the kind, as in CHECKS
    message  how many and what, in a sentence
    remedy   a command or a step
    places   the files, in order of name
    """

    check: str
    message: str
    remedy: str
    places: tuple[Place, ...] = ()

    @property
    def pictures(self) -> tuple[str, ...]:
        """The pictures concerned, each once."""
        return tuple(dict.fromkeys(place.picture for place in self.places if place.picture))


@dataclass(frozen=True, slots=True)
class Skipped:
    """A check that could not be made here: neither passed nor failed."""

    check: str
    reason: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class CheckResult:
    """Everything that was checked.

    plan      what a trainer would do with the folder: tables and lines, see `curate.checks.plan`
    findings  the traps, those that cost most first
    skipped   the checks that were not made
    """

    plan: Mapping[str, Any]
    findings: tuple[Finding, ...]
    skipped: tuple[Skipped, ...]

    def as_dict(self) -> dict[str, Any]:
        """JSON-able values."""
        findings = [{**dataclasses.asdict(one), "pictures": list(one.pictures)} for one in self.findings]
        return {
            "plan": dict(self.plan),
            "traps": findings,
            "not_checked": [dataclasses.asdict(s) for s in self.skipped],
        }


def places(files: Iterable[tuple[str, str]]) -> tuple[Place, ...]:
    """Places of pictures: their names, each with a detail."""
    return tuple(Place(name, detail, name) for name, detail in files)
