"""Balance: the formula of the specification, checked against exact arithmetic."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.core.events import Event, Note
from curate.core.record import Image, Manifest, Record
from curate.core.stage import Concept, Env
from curate.stages.balance import Balance, half_up, imbalance
from tests.core.helpers import RawDoor

counts = st.dictionaries(st.sampled_from("abcdef"), st.integers(1, 300), min_size=1)


def repeats(
    stage: Balance, pictures: dict[str, int], concepts: dict[str, Concept] | None = None, **given_: int
) -> dict[str, int]:
    settings_ = {name: (concepts or {}).get(name, Concept()) for name in pictures}
    shares = stage.shares(pictures, settings_, {name: given_.get(name, 1) for name in pictures})
    return {name: s.repeats for name, s in shares.items()}


@given(counts)
@settings(max_examples=60, deadline=None)
def test_every_concept_is_shown_as_often_as_the_largest(pictures: dict[str, int]) -> None:
    found = repeats(Balance(), pictures)
    most = max(pictures.values())
    for name, count in pictures.items():
        exact = Fraction(most, count)
        assert abs(found[name] - exact) <= Fraction(1, 2)
        if (exact - Fraction(1, 2)).denominator == 1:
            assert found[name] == exact + Fraction(1, 2)  # halves go up
    assert found[max(pictures, key=lambda n: pictures[n])] == 1


@given(counts, st.floats(0.01, 50))
@settings(max_examples=40, deadline=None)
def test_equal_weights_are_no_weights(pictures: dict[str, int], weight: float) -> None:
    weighted = {name: Concept(weight=weight) for name in pictures}
    assert repeats(Balance(), pictures, weighted) == repeats(Balance(), pictures)


def test_a_weight_on_the_largest_folder_has_an_effect() -> None:
    found = repeats(Balance(), {"dog": 40, "cat": 20}, {"dog": Concept(weight=0.5)})
    assert found == {"dog": 1, "cat": 4}
    assert repeats(Balance(tolerance=0.01), {"a": 30, "b": 30}, {"a": Concept(weight=0.75)}) == {"a": 3, "b": 4}


def test_the_smallest_base_within_the_tolerance_is_taken() -> None:
    pictures, weights = {"a": 100, "b": 33, "c": 71}, {"a": Concept(weight=0.7), "b": Concept(weight=1.3)}
    for tolerance in (0.3, 0.1, 0.03):
        stage = Balance(tolerance=tolerance)
        shares = stage.shares(pictures, {n: weights.get(n, Concept()) for n in pictures}, dict.fromkeys(pictures, 1))
        assert max(map(abs, imbalance(shares).values())) <= tolerance


def test_the_largest_folders_own_number_is_the_base() -> None:
    assert repeats(Balance(), {"dog": 20, "cat": 10}, dog=3) == {"dog": 3, "cat": 6}
    assert repeats(Balance(base=2), {"dog": 20, "cat": 10}, dog=3) == {"dog": 2, "cat": 4}
    weighted = {"dog": Concept(weight=0.5)}
    assert repeats(Balance(base=2), {"dog": 20, "cat": 10}, weighted) == {"dog": 2, "cat": 8}


def test_fixed_repeats_stay_and_caps_hold() -> None:
    assert repeats(Balance(), {"dog": 20, "cat": 10}, {"cat": Concept(repeats=7)}) == {"dog": 1, "cat": 7}
    assert repeats(Balance(), {"dog": 20, "cat": 10}, {"dog": Concept(repeats=3)}) == {"dog": 3, "cat": 6}
    assert repeats(Balance(cap=4), {"dog": 100, "cat": 5}) == {"dog": 1, "cat": 4}


@pytest.mark.parametrize(
    ("value", "rounded"), [(0.5, 1), (1.5, 2), (2.5, 3), (2.4999, 2), (0.49999999999999994, 0), (0.0, 0)]
)
def test_halves_go_up(value: float, rounded: int) -> None:
    assert half_up(value) == rounded


def test_decimal_weights_are_exact() -> None:
    assert half_up(100 * Fraction("0.145")) == 15


def test_it_sets_repeats_and_names_what_may_overbake(tmp_path: Path) -> None:
    rows = [Record(f"dog/{n}", "dog", "o", Image("d")) for n in range(24)]
    rows += [Record(f"cat/{n}", "cat", "o", Image("d"), aside="broken" if n else "") for n in range(2)]
    told: list[Event] = []
    after = Balance().run(Manifest(rows), Env(tmp_path, tmp_path, RawDoor()), told.append)
    assert [r.repeats for r in after] == [1] * 24 + [24, 1]
    said = [e.message for e in told if isinstance(e, Note)]
    assert "dog: 24 pictures × 1 = 24 showings per epoch" in said
    assert any(m.startswith("cat is repeated 24 times") for m in said)
