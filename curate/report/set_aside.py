"""Set aside: the pictures that a run does not use, and the duplicates among them, as JSON-able values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from curate.core.record import Record
from curate.report.tally import Tally


def aside_rows(tally: Tally, rows: Sequence[Record]) -> list[dict[str, str]]:
    """Pictures that this run or an earlier one set aside, by name."""
    aside = [{"key": key, "stage": stage, "reason": reason} for key, (stage, reason) in tally.aside.items()]
    aside += [{"key": r.key, "stage": "", "reason": r.aside} for r in rows if r.aside and r.key not in tally.aside]
    return sorted(aside, key=lambda one: one["key"])


def duplicate_rows(rows: Sequence[Record]) -> list[dict[str, Any]]:
    """Each duplicate with the picture that stays, the kind (equal or near) and how alike they are, 0 to 1."""
    copies = sorted((r for r in rows if r.aside and r.facts.get("duplicate_of")), key=lambda r: r.key)
    return [
        {
            "picture": r.key,
            "kept": r.facts["duplicate_of"],
            "kind": r.facts.get("duplicate", ""),
            "likeness": r.facts.get("likeness"),
        }
        for r in copies
    ]
