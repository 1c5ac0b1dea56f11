"""The badges of a picture follow from its record."""

from __future__ import annotations

import pytest

from curate.core.record import Image, Record
from curate.images.analysis.quality import Fault
from curate.report.badges import badges


def record(facts: dict[str, object] | None = None, **rest: object) -> Record:
    return Record("dog/a.png", "dog", "o", Image("d"), facts=facts or {}, **rest)  # type: ignore[arg-type]


def words(one: Record, duplicates: int = 0) -> list[str]:
    return [badge.word for badge in badges(one, duplicates)]


@pytest.mark.parametrize(
    ("one", "expected"),
    [
        (record(), []),
        (record(aside="a duplicate"), ["set aside"]),
        (record(edited=""), ["edited by hand"]),
        (record({"crop": [0, 0, 4, 4]}), ["cropped"]),
        (record({"flipped": True}), ["mirrored"]),
        (record({"denoise": {"done": True, "methods": ["adverse"]}}), ["cleaned"]),
        (record({"denoise": {"suspected": True, "why": "too small"}}), []),
        (record({"lowres": True}), ["too small"]),
        (record({"upscaled": {"model": "x4", "from": [32, 20], "to": [64, 40]}}), ["upscaled"]),
        (record({"view": 2, "views": 3}), ["part"]),
        (record({"views": 1}), []),
        (record(mask="masks/a.png"), ["mask"]),
        (record(repeats=1), []),
        (record(repeats=12), ["12 repeats"]),
        (record({"triage": "fine", "faults": {}}), []),
        (record({"faults": {"small": "tiny", "border": "frame"}}), ["needs editing", "small", "border"]),
        (record({"unchecked": "an odd container"}), ["included by consent:"]),
    ],
)
def test_badges(one: Record, expected: list[str]) -> None:
    assert words(one) == expected


def test_duplicates_are_counted() -> None:
    assert words(record(), 1) == ["1 duplicate"]
    assert words(record(), 2) == ["2 duplicates"]


def test_reasons() -> None:
    edit, border = badges(record({"faults": {"border": "12 px top"}}))
    assert (edit.reason, border.reason, border.warns) == ("12 px top", "12 px top", True)
    (upscaled,) = badges(record({"upscaled": {"model": "x4", "from": [32, 20], "to": [64, 40]}}))
    assert upscaled.reason == "32×20 to 64×40 with x4"


def test_every_fault_of_inspect_has_a_badge() -> None:
    from typing import get_args

    from curate.report.badges import _FAULTS

    assert set(_FAULTS) == set(get_args(Fault))
