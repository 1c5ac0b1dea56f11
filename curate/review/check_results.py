"""Check results: the pictures that `curate check` finds fault with, of the folder as it is now."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from curate.core.check_names import CHECKS
from curate.core.registry import nearest
from curate.errors import CurateError, InputError
from curate.review.index import Index
from curate.review.rows import measured_row
from curate.scan import legible

Checker = Callable[[Path, Mapping[str, tuple[int, int]]], Mapping[str, Any]]
"""Checks a folder whose pictures' sides are known, by name, without opening a picture; the values of a CheckResult."""


def check_named(text: str) -> str:
    """A check by its name or by what people call it, in any case. Raises InputError for another word."""
    wanted = text.strip().casefold()
    for check, words in CHECKS.items():
        if wanted in (check, words.casefold()):
            return check
    raise InputError(f"there is no check {text!r}", nearest(wanted, list(CHECKS)))


class CheckResults:
    """Makes the checks when the page asks for them, one request at a time."""

    def __init__(self, index: Index, checker: Checker | None) -> None:
        """Without `checker` no check is made, and the page offers none."""
        self._index, self._checker = index, checker
        self._lock = threading.Lock()

    @property
    def can_check(self) -> bool:
        """Whether checks can be made at all."""
        return self._checker is not None

    def __call__(self) -> dict[str, Any]:
        """Each check that found something, with its pictures, and the checks that were not made.

        Raises InputError where none can be made.
        """
        if self._checker is None:
            raise InputError("no checks are made here")
        with self._lock:
            with self._index.lock:
                self._index.refresh()
                ids, sizes = self._pictures()
            try:
                result = self._checker(self._index.target, sizes)
            except (CurateError, ValueError) as error:  # no base, options of an old training, no picture
                raise InputError(f"the checks could not be made: {error}") from error
        return {"checks": _by_check(result["traps"], ids), "not_checked": result["not_checked"]}

    def _pictures(self) -> tuple[dict[str, str], dict[str, tuple[int, int]]]:
        """The ids and the sides of the pictures in the folder, by the names that checks have for them."""
        from curate.train.data.picture_checks import picture_size

        ids: dict[str, str] = {}
        sizes: dict[str, tuple[int, int]] = {}
        for entry in self._index.entries.values():
            if entry.picture is None:
                continue
            name = legible(entry.picture.path.relative_to(self._index.target).as_posix())
            ids[name] = entry.id
            row = measured_row(self._index.measures_of(entry), entry.caption.record if entry.caption else None)
            try:
                sizes[name] = (row["width"], row["height"]) if row["width"] else picture_size(entry.picture.path)
            except (OSError, ValueError, SyntaxError):  # what Pillow raises for files that it cannot read
                sizes[name] = (0, 0)
        return ids, sizes


def _by_check(traps: Sequence[Mapping[str, Any]], ids: Mapping[str, str]) -> list[dict[str, Any]]:
    """The traps of each check as one, in the order of CHECKS; pictures that the page does not have are left out."""
    groups: dict[str, dict[str, Any]] = {}
    for one in traps:
        check: str = one["check"]
        row = groups.setdefault(check, {"check": check, "name": CHECKS[check], "findings": [], "pictures": {}})
        row["findings"].append({"message": one["message"], "remedy": one["remedy"]})
        row["pictures"].update({ids[name]: None for name in one["pictures"] if name in ids})
    return [{**row, "pictures": list(row["pictures"])} for row in groups.values()]
