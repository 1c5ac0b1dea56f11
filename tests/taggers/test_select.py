"""Selection by thresholds, MCut and per-tag limits; ratings; several models."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from taggers.select import Rules, mcut, pick, rating

WD = {
    "general": (0.7, "rating"),
    "explicit": (0.2, "rating"),
    "a": (0.9, "general"),
    "b": (0.5, "general"),
    "c": (0.35, "general"),
    "d": (0.3, "general"),
    "miku": (0.86, "character"),
    "rin": (0.8, "character"),
    "someone": (0.99, "artist"),
    "best_quality": (0.9, "quality"),
}
LIMITS = {"wd": {"general": 0.35, "character": 0.85}}


def rules(**more: Any) -> Rules:
    return Rules(**{"models": ("wd",), "thresholds": LIMITS, **more})


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({}, ["a", "miku", "b", "c"]),
        ({"limit": 2}, ["a", "miku"]),
        ({"thresholds": {"wd": {"general": 0.6, "character": 0.75}}}, ["a", "miku", "rin"]),
        ({"categories": frozenset({"artist"})}, ["someone"]),
        ({"categories": frozenset({"general"})}, ["a", "b", "c"]),
        ({"rating": "plain"}, ["a", "miku", "b", "c", "general"]),
        ({"rating": "prefixed", "limit": 1}, ["a", "rating:general"]),
        ({"cut": "mcut"}, ["a", "miku", "rin"]),
        ({"cut": "best", "best": {"wd": {"d": 0.2, "b": 0.6, "rin": 0.7}}}, ["a", "miku", "rin", "c", "d"]),
        (
            {"cut": "best", "best": {"wd": {"d": 0.2, "b": 0.6}}, "given": frozenset({"general"})},
            ["a", "miku", "b", "c"],
        ),
        ({"copyrights": {"miku": ("vocaloid", "project_sekai")}}, ["a", "miku", "vocaloid", "project_sekai", "b", "c"]),
        ({"models": ("other",)}, []),
    ],
)
def test_pick(more: dict[str, Any], expected: list[str]) -> None:
    assert pick({"wd": WD}, rules(**more)) == expected


def test_ties_are_broken_by_name() -> None:
    assert pick({"wd": dict.fromkeys("cab", (0.5, "general"))}, rules()) == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("scores", "expected"),
    [([], 1.0), ([0.8], 0.4), ([0.9, 0.8, 0.3, 0.2], 0.55), ([0.2, 0.9, 0.8, 0.3], 0.55), ([0.9, 0.9], 0.45)],
)
def test_mcut_by_hand(scores: list[float], expected: float) -> None:
    assert mcut(scores) == pytest.approx(expected)


FLOOR = 0.05


@given(st.lists(st.floats(0, 1), min_size=2, max_size=30))
def test_mcut_of_what_is_kept_is_that_of_all_unless_gaps_are_close(scores: list[float]) -> None:
    whole = sorted(scores, reverse=True)
    kept = [s for s in whole if s >= FLOOR]
    gaps = [a - b for a, b in pairwise(whole)]
    widest = gaps.index(max(gaps))
    of_all, of_kept = set(whole[: widest + 1]), {s for s in kept if s >= mcut(kept)}
    assume(kept and sorted(gaps)[-1] > FLOOR)
    others = [g for i, g in enumerate(gaps) if i != widest]
    assume(max(others, default=0.0) < max(gaps))
    last = len(kept) - 1
    if widest == last or max(gaps) >= kept[-1]:
        assert of_kept == of_all
    else:
        assert of_kept == set(kept)
        assert last == len(gaps) or max(gaps) < kept[-1] < gaps[last] + FLOOR


def test_mcut_of_characters_never_goes_below_its_floor() -> None:
    scores = {"miku": (0.14, "character"), "rin": (0.001, "character")}
    assert pick({"wd": scores}, rules(cut="mcut")) == []
    assert pick({"wd": {**scores, "miku": (0.16, "character")}}, rules(cut="mcut")) == ["miku"]


def test_ratings_come_from_the_first_model_that_rates() -> None:
    scores = {"jtp": {"wolf": (0.9, "general")}, "wd": WD}
    assert rating(scores, ["jtp", "wd"]) == "general"
    assert rating(scores, ["jtp"]) == ""


TWO = {
    "x": {"a": (0.9, "general"), "b": (0.2, "general")},
    "y": {"a": (0.1, "general"), "b": (0.5, "general"), "c": (0.6, "general")},
}


@pytest.mark.parametrize(
    ("merge", "expected"),
    [
        ("max", ["a", "c", "b"]),  # any model's own threshold is enough
        ("mean", ["c", "a"]),  # a: (.9+.1)/2 against (.4+.3)/2; b: .35 is not above .35
        ("priority", ["a", "c"]),  # x knows a and b and decides them
    ],
)
def test_several_models(merge: Any, expected: list[str]) -> None:
    given = Rules(
        models=("x", "y"),
        thresholds={"x": {"general": 0.4}, "y": {"general": 0.31}},
        merge=merge,
        known={"x": frozenset("ab"), "y": frozenset("abc")},
    )
    assert pick(TWO, given) == expected


def test_what_a_model_knows_but_did_not_score_counts_as_nothing() -> None:
    given = Rules(
        ("x", "y"),
        {"x": {"general": 0.4}, "y": {"general": 0.4}},
        merge="mean",
        known={"x": frozenset("a"), "y": frozenset("a")},
    )
    assert pick({"x": {"a": (0.7, "general")}, "y": {}}, given) == []
    alone = Rules(("x", "y"), {"x": {"general": 0.4}, "y": {"general": 0.4}}, merge="mean", known={"x": frozenset("a")})
    assert pick({"x": {"a": (0.7, "general")}, "y": {}}, alone) == ["a"]
