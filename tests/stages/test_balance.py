"""Balance: the formula of the specification, checked against exact arithmetic."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest
from pydantic import ValidationError

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
    assert said[:3] == [
        "concept  pictures  repeats  shown per epoch  share  error  epochs for 100",
        "cat             1       24               24    50%     0%               4",
        "dog            24        1               24    50%     0%             100",
    ]
    assert any(m.startswith("cat is repeated 24 times") for m in said)


def told(stage: Balance, pictures: dict[str, int], concepts: dict[str, Concept] | None = None) -> list[str]:
    rows = [Record(f"{name}/{n}", name, "o", Image("d")) for name, count in pictures.items() for n in range(count)]
    events: list[Event] = []
    env = Env(Path(), Path(), RawPictures(), concepts=concepts or {})
    stage.run(Manifest(rows), env, events.append)
    return [e.message for e in events if isinstance(e, Note)]


def test_a_weight_is_a_column_and_its_error_is_shown() -> None:
    lines = told(Balance(), {"dog": 6, "robe": 4, "vase": 3}, {"robe": Concept(weight=0.5)})
    assert lines == [
        "concept  pictures  repeats  weight  shown per epoch  share  error  epochs for 100",
        "dog             6        3       1               18    41%    +4%              33",
        "robe            4        2     0.5                8    18%    -8%              50",
        "vase            3        6       1               18    41%    +4%              17",
        "train about 50 epochs, so that each picture of robe is trained 100 times",
    ]


@pytest.mark.parametrize(
    ("stage", "repeats_of_dog", "advice"),
    [
        (Balance(epochs=10), 10, "10 epochs train each picture of dog 100 times"),
        (Balance(epochs=40, showings=60), 2, "40 epochs train each picture of dog 80 times"),
        (Balance(epochs=500), 1, "500 epochs train each picture of dog 500 times"),
        (Balance(epochs=10, steps=2000), 10, "10 epochs train each picture of dog 100 times"),
        (Balance(steps=2000), 1, "train about 100 epochs, so that about 2,000 pictures of dog are shown in all"),
        (Balance(steps=2000, base=4), 4, "train about 25 epochs, so that about 2,000 pictures of dog are shown in all"),
    ],
)
def test_target_epochs_and_steps(stage: Balance, repeats_of_dog: int, advice: str) -> None:
    assert repeats(stage, {"dog": 20, "cat": 10}) == {"dog": repeats_of_dog, "cat": 2 * repeats_of_dog}
    assert told(stage, {"dog": 20, "cat": 10})[-1] == advice


def test_a_style_is_shown_35_times_by_default() -> None:
    assert repeats(Balance(epochs=7), {"ink": 60}, {"ink": Concept(kind="style")}) == {"ink": 5}


def test_fixed_repeats_of_the_largest_concept_stand_above_target_epochs() -> None:
    fixed = {"dog": Concept(repeats=3)}
    assert repeats(Balance(epochs=10), {"dog": 20, "cat": 10}, fixed) == {"dog": 3, "cat": 6}


def test_base_and_epochs_do_not_go_together() -> None:
    with pytest.raises(ValidationError, match="give one of them"):
        Balance(base=2, epochs=10)
