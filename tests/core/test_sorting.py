"""Records in order of their keys, as `sorted` would have them."""

from __future__ import annotations

import random

from curate.core.record import Image, Manifest, Record
from curate.core.sorting import sorted_by_key


def records(numbers: list[int]) -> Manifest:
    return Manifest(Record(f"dog/{n:05}.png", "dog", str(n), Image(str(n)), facts={"n": n}) for n in numbers)


def test_records_of_several_parts_are_sorted() -> None:
    numbers = list(range(700))
    random.Random(1).shuffle(numbers)
    assert list(sorted_by_key(records(numbers), 300)) == list(records(sorted(numbers)))


def test_what_is_in_order_stays_as_it_is() -> None:
    manifest = records([1, 2, 3])
    assert sorted_by_key(manifest) is manifest
    assert list(sorted_by_key(Manifest())) == []
