"""Findings: what a stage tells about its records and about what keeps it from starting."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from curate.core.conflicts import UnknowableError
from curate.errors import CurateError, InputError, MissingError


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


def combined(errors: Sequence[CurateError]) -> CurateError:
    """One error that names everything that is wrong or missing, each with its remedy; `errors` are not empty.

    It is an InputError where the user's input is at fault in one of them: that has to be mended in any case.
    """
    # two stages may need the same file
    single = [part for error in errors for part in error.parts or (error,)]
    different = list({(error.message, error.remedy): error for error in single}.values())
    if len(different) == 1:
        return different[0]
    kinds = {error.exit_code for error in different}
    kind, state = MissingError, "missing"
    if InputError.exit_code in kinds:
        kind, state = InputError, "wrong or missing" if MissingError.exit_code in kinds else "wrong"
    lines = [f"- {error.message}" + (f"\n    {error.remedy}" if error.remedy else "") for error in different]
    whole = kind(f"{len(different)} things are {state}:\n" + "\n".join(lines), "nothing was changed")
    whole.parts = different
    return whole


def failures(checks: Iterable[Callable[[], object]]) -> list[CurateError]:
    """What the checks raise, each part of it by itself. What cannot be known is left out, whoever asks for it."""
    found: list[CurateError] = []
    rest = iter(checks)
    while (check := _next(rest)) is not None:
        try:
            check()
        except UnknowableError:
            continue
        except CurateError as error:
            found += error.parts or (error,)
    return found


def _next(checks: Iterator[Callable[[], object]]) -> Callable[[], object] | None:
    with contextlib.suppress(UnknowableError):
        return next(checks, None)
    return None


def raise_together(checks: Iterable[Callable[[], object]]) -> None:
    """Raises what all the checks raise as one error."""
    if found := failures(checks):
        raise combined(found)
