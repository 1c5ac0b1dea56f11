"""One thing and many things in messages."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from curate.core.counting import counted

ROOT = Path(__file__).parents[2]
PLURAL = re.compile(r"(\{[^{}]*\}) (pictures|epochs|steps|captions|files|masks|showings)\b")
"""A count that is put before a plural whatever it is."""


@pytest.mark.parametrize(
    ("number", "words", "expected"),
    [
        (0, ("picture",), "0 pictures"),
        (1, ("picture",), "1 picture"),
        (2, ("picture",), "2 pictures"),
        (1200, ("step",), "1,200 steps"),
        (1, ("batch", "batches"), "1 batch"),
        (3, ("batch", "batches"), "3 batches"),
        (1, ("mask is", "masks are"), "1 mask is"),
        (2, ("mask is", "masks are"), "2 masks are"),
    ],
)
def test_counted(number: int, words: tuple[str, ...], expected: str) -> None:
    assert counted(number, *words) == expected


ALLOWED = {
    "all {len(failures)} pictures": "only of several",
    "are {count} captions": "only of several",
    "{len(odd)} captions": "only of several",
    "{len(rows)} captions": "only of several",
    "{left} masks no picture": "a verb",
    "over or": "a number or its name",
}


def test_no_message_counts_one_thing_as_many() -> None:
    wrong = [
        f"{path.relative_to(ROOT)}: {line.strip()}"
        for path in sorted((ROOT / "curate").rglob("*.py"))
        for line in path.read_text(encoding="utf-8").splitlines()
        if PLURAL.search(line) and not any(words in line for words in ALLOWED)
    ]
    assert not wrong, "write {counted(number, 'picture')}"
