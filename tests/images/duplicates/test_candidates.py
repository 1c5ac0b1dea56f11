"""Candidates and equal pictures: what the arrays find is what the plain rule says, on small sets with many repeats."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from curate.core.record import Image, Record
from curate.images.duplicates import compared, pairs
from curate.images.duplicates.candidates import candidates
from curate.images.duplicates.keeper import by_name
from curate.images.duplicates.perceptual_hash import Hashes


def hashes(rng: np.random.Generator, count: int) -> Hashes:
    """Copies of a few values, most with some bits flipped."""
    base = rng.integers(0, 2**63, 5, dtype=np.uint64)
    flips = [sum(1 << int(bit) for bit in rng.choice(63, rng.integers(0, 9), replace=False)) for _ in range(count)]
    return base[rng.integers(0, 5, count)] ^ np.where(rng.random(count) < 0.5, 0, np.array(flips, np.uint64))


def by_the_rule(whole: Hashes, parts: dict[int, Hashes], distance: int) -> list[list[int]]:
    """Pairs of the first eight pictures of each hash: with all of that hash, the first eight of near ones, owners."""
    groups: dict[int, list[int]] = {}
    for index, value in enumerate(whole.tolist()):
        groups.setdefault(value, []).append(index)
    found = {(a, b) for group in groups.values() for a in group[:8] for b in group}
    for one, other in itertools.permutations(groups, 2):
        if (one ^ other).bit_count() <= distance:
            found |= set(itertools.product(groups[one][:8], groups[other][:8]))
    for owner, own in parts.items():
        for value, group in groups.items():
            if any((value ^ part).bit_count() <= distance for part in own.tolist()):
                found |= {(a, owner) for a in group[:8]}
    return sorted({(min(pair), max(pair)) for pair in found if pair[0] != pair[1]})


@pytest.mark.parametrize("seed", range(6))
def test_candidates_are_those_of_the_rule(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(seed)
    monkeypatch.setattr("curate.images.duplicates.candidates._TOGETHER", 16)
    monkeypatch.setattr("curate.images.duplicates.pairs._LOOSE", 50)
    whole = hashes(rng, 70)
    parts = {n: rng.permutation(np.append(whole, rng.integers(0, 2**63, 99, dtype=np.uint64)))[:3] for n in range(70)}
    found = candidates(whole, parts.items(), 3 + seed)
    assert [tuple(pair) for pair in found.tolist()] == by_the_rule(whole, parts, 3 + seed)
    assert len(found) > 70


def test_no_pictures_are_no_candidates() -> None:
    assert candidates(np.zeros(0, np.uint64), [], 10).shape == (0, 2)


def record(key: str, pixels: int) -> Record:
    return Record(
        key, "", "", Image(""), facts={"fingerprint": {"pixels": f"{pixels:040x}", "whole": f"{pixels:016x}"}}
    )


@pytest.mark.parametrize("seed", range(4))
def test_equal_pictures_are_found_in_order_of_name_by_concept(seed: int) -> None:
    rng = np.random.default_rng(seed)
    names = [
        str(rng.choice([f"{n}", f"{n} copy", f"ä{n}", f"\udc80{n}", f"\U0001f600{n}", f"x/{n} (1)"])) for n in range(60)
    ]
    rows = [
        (3 * n, record(f"{name}.png", int(rng.integers(8))), rng.choice(list("abc"), 2)) for n, name in enumerate(names)
    ]
    expected: dict[int, int] = {}
    first: dict[tuple[str, str], int] = {}
    for number, one, concepts in sorted(rows, key=lambda row: by_name(row[1])):
        places = [(one.facts["fingerprint"]["pixels"], str(concept)) for concept in concepts]
        expected[number] = next((first[place] for place in places if place in first), number)
        for place in places:
            first.setdefault(place, expected[number])
    columns = compared.read((number, one, list(map(str, concepts))) for number, one, concepts in rows)
    numbers = columns.numbers.tolist()
    assert numbers == list(expected)
    assert [numbers[n] for n in columns.first_equal().tolist()] == list(expected.values())
    assert columns.whole.tolist() == [int(rows[n // 3][1].facts["fingerprint"]["whole"], 16) for n in numbers]
    every = np.array(list(itertools.combinations(range(60), 2)))
    concepts = [set(map(str, rows[n // 3][2])) for n in numbers]
    assert columns.in_one_concept(every).tolist() == [[a, b] for a, b in every.tolist() if concepts[a] & concepts[b]]


def test_ranges_follow_each_other() -> None:
    assert pairs.ranges(np.array([5, 0, 2]), np.array([2, 0, 3])).tolist() == [5, 6, 2, 3, 4]
