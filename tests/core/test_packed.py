"""Packed records: what comes out is what went in, whatever the order in which it is read."""

from __future__ import annotations

import dataclasses
import json
import pickle
import tracemalloc
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.core.dataset_results import dataset_results, with_results
from curate.core.packed import Packed
from curate.core.record import FIELDS, Image, Manifest, Record
from curate.core.stage import DatasetStage
from curate.errors import InputError


def _records(count: int) -> list[Record]:
    return [
        Record(
            f"dog/{n:05}.png",
            "dog" if n % 3 else "cat",
            f"{n:040x}",
            Image(f"{n:040x}", f"/in/{n}.png", n % 7, 8),
            facts={"weight": 1 if n % 2 else 1.0, "n": n},
            tags=("a", f"tag_{n % 9}"),
            aside="broken" if n % 10 == 4 else "",
        )
        for n in range(count)
    ]


@pytest.mark.parametrize("count", [0, 1, 63, 64, 65, 200])
def test_a_manifest_gives_back_its_records(count: int) -> None:
    records = _records(count)
    manifest = pickle.loads(pickle.dumps(Manifest(records)))
    assert list(manifest) == records
    assert [manifest[n] for n in reversed(range(count))] == records[::-1]
    assert list(manifest[10:150:3]) == records[10:150:3]
    assert list(manifest.present) == [r for r in records if not r.aside]
    assert manifest.aside_count == sum(bool(r.aside) for r in records)
    assert manifest.concepts == {r.concept for r in records}


def test_numbers_in_facts_stay_as_they_are_written() -> None:
    assert [repr(r.facts) for r in Manifest(_records(130))] == [repr(r.facts) for r in _records(130)]


def test_no_place_beyond_the_end() -> None:
    manifest = Manifest(_records(70))
    assert manifest[-70] == manifest[0] and manifest[-1] == manifest[69]
    for place in (70, -71):
        with pytest.raises(IndexError):
            manifest[place]


def test_a_key_that_comes_twice_is_named() -> None:
    records = _records(200)
    with pytest.raises(InputError, match=r"dog/00003\.png"):
        Manifest([*records, records[3]])


@given(st.lists(st.integers(0, 299), max_size=60))
@settings(max_examples=30, deadline=None)
def test_any_place_in_any_order(places: list[int]) -> None:
    packed = Packed(range(300))
    assert [packed[place] for place in places] == places


@given(st.lists(st.dictionaries(st.integers(0, 299), st.integers(300, 400), max_size=90), max_size=3), st.booleans())
@settings(max_examples=30, deadline=None)
def test_values_that_are_replaced(changes: list[dict[int, int]], whole_block: bool) -> None:
    packed, plain = Packed(range(300)), list(range(300))
    for change in [*changes, {n: -n for n in reversed(range(64, 128))} if whole_block else {}]:
        assert packed[70] == plain[70]  # unpacked before, and again after
        packed.replace(change)
        for place, value in change.items():
            plain[place] = value
        assert [packed[n] for n in range(300)] == list(packed) == plain


def test_records_take_a_fraction_of_their_memory() -> None:
    _records(10)  # what is loaded once
    sizes: list[int] = []
    for make in (list, Manifest):
        tracemalloc.start()
        kept = make(_record for _record in _records(1500))
        sizes.append(tracemalloc.get_traced_memory()[0])
        tracemalloc.stop()
        assert len(kept) == 1500
    assert sizes[1] < sizes[0] / 6


class Changes(DatasetStage):
    """Changes fields; `facts` are only added to."""

    writes = frozenset({"facts", "repeats", "aside", "edited"})

    def run(self, manifest: Manifest, env: object, tell: object) -> Manifest:
        return manifest


def _changed(records: Sequence[Record]) -> list[Record]:
    """Changes in a row, single ones, ones that are alike and not next to each other, and of one set aside."""
    changes = {0: {"repeats": 2}, 1: {"repeats": 2}, 3: {"repeats": 2}, 4: {"edited": "mine"}, 6: {"aside": "twice"}}
    rows = [dataclasses.replace(r, **changes.get(n, {})) for n, r in enumerate(records)]
    return [*rows[:7], *(r.noting(weight=1.0) for r in rows[7:])]


@pytest.mark.parametrize("old_format", [False, True])
def test_results_of_a_dataset_stage_come_back(old_format: bool) -> None:
    before = Manifest(_records(150))
    after = Manifest(_changed(list(before)))
    results = dataset_results(before, after, Changes())
    if old_format:  # a change for each record, by key
        results = {
            new.key: {name: getattr(new, name) for name in FIELDS if name in Changes.writes}
            for old, new in zip(before, after, strict=True)
            if new != old
        }
    again = with_results(before, json.loads(json.dumps(results)), Changes())
    assert list(again) == list(after)


def test_equal_changes_are_stored_once() -> None:
    before = Manifest(r for r in _records(500) if not r.aside)
    after = Manifest(r.noting(weight=2.0) for r in before)
    assert len(json.dumps(dataset_results(before, after, Changes()))) < 120


def test_no_changes_are_another_manifest() -> None:
    before = Manifest(_records(5))
    again = with_results(before, dataset_results(before, before, Changes()), Changes())
    assert again is not before
    assert list(again) == list(before)


@pytest.mark.parametrize("plain", [0, 64, 130, 1000])
def test_values_are_replaced_among_plain_and_packed_ones(plain: int) -> None:
    packed = Packed(map(str, range(300)), plain=plain)
    packed.replace({number: f"new {number}" for number in (0, 63, 64, 127, 128, *range(192, 256), 299)})
    packed.append("last")
    expected = [str(number) for number in range(300)] + ["last"]
    for number in (0, 63, 64, 127, 128, *range(192, 256), 299):
        expected[number] = f"new {number}"
    assert list(packed) == [packed[number] for number in range(301)] == expected
    assert (len(packed), packed[-1], packed[62:66]) == (301, "last", tuple(expected[62:66]))
    with pytest.raises(IndexError):
        packed[301]
