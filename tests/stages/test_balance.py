"""Balance: the formula of the specification, checked against exact arithmetic."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from curate.core.events import Event, Note
from curate.core.record import Image, Manifest, Record
from curate.core.stage import Concept, Env
from curate.stages.balance import Balance, half_up, imbalance
from tests.core.helpers import RawPictures
from tests.stages.helpers import repeats


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
    after = Balance().run(Manifest(rows), Env(tmp_path, tmp_path, RawPictures()), told.append)
    assert [r.repeats for r in after] == [1] * 24 + [24, 1]
    said = [e.message for e in told if isinstance(e, Note)]
    assert "dog: 24 pictures × 1 = 24 shown per epoch" in said
    assert any(m.startswith("cat is repeated 24 times") for m in said)
