"""Balance: repeats that show every concept as often as its weight asks, for any folders."""

from __future__ import annotations

import itertools
from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from curate.core.stage import Concept
from curate.stages.balance import Balance
from tests.stages.helpers import repeats

counts = st.dictionaries(st.sampled_from("abcdef"), st.integers(1, 300), min_size=1)


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


@given(counts, st.integers(1, 20), st.integers(1, 9))
@settings(max_examples=60, deadline=None)
def test_fixed_ones_stay_and_none_is_above_the_cap(pictures: dict[str, int], cap: int, fixed: int) -> None:
    name = min(pictures)
    found = repeats(Balance(cap=cap), pictures, {name: Concept(repeats=fixed)})
    assert found[name] == fixed
    assert all(1 <= n <= cap for other, n in found.items() if other != name)


@given(counts, st.integers(1, 10))
@settings(max_examples=60, deadline=None)
def test_more_pictures_are_never_repeated_more(pictures: dict[str, int], base: int) -> None:
    found = repeats(Balance(base=base), pictures)
    order = sorted(pictures, key=lambda name: pictures[name])
    assert all(found[few] >= found[many] for few, many in itertools.pairwise(order))
