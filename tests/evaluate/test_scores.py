"""Ranks, leads, repetitions and the recommendation, on scores made for them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from curate.evaluate import metrics
from curate.evaluate.recommend import lead, reach_of_errors, recommend, repeating
from curate.evaluate.result import METRICS, Row
from curate.evaluate.scores import CRITERIA, Cell, Measured, Reference, compared, measure, rank

RANDOM = np.random.default_rng(5)
NOISE = RANDOM.normal(size=6) * 0.1
"""What the seeds do to every score alike."""


def measured(value: float, own: float = 0.0) -> Measured:
    """A score whose values without a seed each differ by what all share, and by something of its own."""
    return Measured(value, value + NOISE / 5 + own * RANDOM.normal(size=6))


def world(values: Mapping[str, Mapping[str, float]], copies: Mapping[str, float] = {}, own: float = 0.0) -> Any:
    """Rows and measures of LoRAs by measure, the same in two concepts."""
    rows: list[Row] = []
    measures: dict[tuple[str, str, str], dict[str, Measured]] = {}
    for column, scores in values.items():
        for concept in ("1_a", "1_b"):
            for kind in ("train", "trigger", "alter", "style", "agnostic"):
                made = {
                    metric: measured(scores[metric], own)
                    for criterion in CRITERIA.values()
                    for metric, kinds in criterion.items()
                    if kind in kinds
                } | {"copies": Measured(copies.get(column, 0.0), np.zeros(6))}
                measures[column, concept, kind] = made
                rows.append(Row(column, concept, kind, 6, 6, {name: one.score for name, one in made.items()}))
    return rows, measures


GOOD = {"cosine": 0.8, "distance": 0.1, "prompt": 0.3, "vendi": 3.0, "style": 0.1, "leak": 0.0}
FAIR = {"cosine": 0.7, "distance": 0.2, "prompt": 0.2, "vendi": 2.0, "style": 0.2, "leak": 0.1}
BAD = {"cosine": 0.6, "distance": 0.3, "prompt": 0.1, "vendi": 1.0, "style": 0.3, "leak": 0.2}


def test_every_measure_belongs_to_a_criterion() -> None:
    assert {metric for own in CRITERIA.values() for metric in own} | {"copies"} == set(METRICS)


def test_ranks_are_averaged_over_concepts_and_criteria() -> None:
    rows, _ = world({"a": {**GOOD, "vendi": 1.0}, "b": FAIR, "c": {**BAD, "vendi": 3.0}})
    ranks = rank(rows, ["a", "b", "c"])
    assert ranks["a"] == {"fidelity": 1, "controllability": 1, "diversity": 0, "preservation": 1, "mean": 0.75}
    assert ranks["b"]["mean"] == 0.5 and ranks["c"]["diversity"] == 1
    # in one of the two concepts the other way round
    swapped = [
        Row(r.column, r.concept, r.kind, 6, 6, {**r.scores, "prompt": (9.0 if r.column == "c" else 0.0, 0.0)})
        if r.concept == "1_b"
        else r
        for r in rows
    ]
    assert rank(swapped, ["a", "b", "c"])["c"]["controllability"] == pytest.approx(0.5)


def test_the_best_one_is_recommended_with_grounds() -> None:
    rows, measures = world({"a": BAD, "b": GOOD, "c": FAIR})
    chosen, reason = recommend(rows, measures, rank(rows, ["a", "b", "c"]), {})
    assert chosen == "b"
    assert "b has the best mean rank, 1.00 of 1" in reason and "of 40 scores, b is better in 40" in reason


def test_the_error_of_a_lead_is_that_of_the_difference() -> None:
    """What the seeds do to both counts for nothing, however large it is; what is each one's own counts."""
    close = {name: value + (0.001 if METRICS[name][1] else -0.001) for name, value in FAIR.items()}
    rows, measures = world({"a": FAIR, "b": close})
    assert rows[0].scores["cosine"][1] > 0.01
    found = lead(rows, measures, "b", "a")
    assert (found.better, found.worse, found.total) == (40, 0, 40)
    rows, measures = world({"a": FAIR, "b": close}, own=0.5)
    found = lead(rows, measures, "b", "a")
    assert found.better + found.worse < 8  # of 40, where chance alone gives 5 %
    assert sum(len(list(compared(rows, criterion))) for criterion in CRITERIA) == 40


def test_of_equals_the_earlier_is_taken_and_it_is_said() -> None:
    rows, measures = world({"early": FAIR, "late": FAIR})
    chosen, reason = recommend(rows, measures, rank(rows, ["early", "late"]), {})
    assert chosen == "early" and "the earlier one is taken" in reason


def test_a_lora_that_repeats_is_passed_over() -> None:
    rows, measures = world({"a": FAIR, "b": GOOD}, {"b": 0.4})
    repeats = repeating(rows)
    assert repeats == {"b": pytest.approx(0.4)}
    chosen, reason = recommend(rows, measures, rank(rows, ["a", "b"]), repeats)
    assert chosen == "a" and "b ranks higher but repeats training pictures in 40%" in reason
    rows, measures = world({"a": FAIR, "b": GOOD}, {"a": 0.1, "b": 0.4})
    assert recommend(rows, measures, rank(rows, ["a", "b"]), repeating(rows))[0] == "b"


def test_a_single_lora_that_repeats_is_named_alone() -> None:
    rows, measures = world({"a": FAIR}, {"a": 0.4})
    _, reason = recommend(rows, measures, rank(rows, ["a"]), repeating(rows))
    assert reason.endswith("It repeats training pictures in 40% of its own.")


def test_a_few_repetitions_in_a_hundred_are_none() -> None:
    rows, _ = world({"a": FAIR}, {"a": 0.04})
    assert repeating(rows) == {}


def test_a_single_lora_is_not_ranked() -> None:
    rows, measures = world({"a": FAIR})
    assert recommend(rows, measures, rank(rows, ["a"]), {}) == (
        "a", "a is the only LoRA, so there is nothing to rank: compare it with the base.",
    )  # fmt: skip


def test_errors_reach_as_far_as_students_t_says() -> None:
    rows = [Row("a", "1_a", "train", 8, 4, {"cosine": (0.5, error)}) for error in (0.01, 0.02, 0.06)]
    # 3.182 is t of 95 % with 3 degrees of freedom
    assert reach_of_errors(rows) == {"cosine": pytest.approx(0.02 * 3.182, rel=1e-3)}


def cell(rows: Any, seeds: list[int], styles: Any = ()) -> Cell:
    return Cell(np.array(rows, float), np.eye(len(rows)), np.eye(len(rows)), np.array(styles), [0] * len(rows), seeds)


def test_leakage_is_how_much_nearer_than_the_base() -> None:
    concept = Reference(np.array([[1.0, 0]]), 0.99)
    base = cell([[0, 1], [0, 2]], [1, 2])
    tuned = cell([[1, 1], [0, 1]], [1, 2])
    found = measure(tuned, "agnostic", concept, base)
    assert found["leak"].value == pytest.approx(np.sqrt(0.5) / 2)
    assert found["copies"].value == 0
    assert set(found) == {"prompt", "vendi", "leak", "copies"}
    assert found["leak"].score[1] == pytest.approx(np.std([np.sqrt(0.5), 0], ddof=1) / np.sqrt(2))


def test_the_base_is_measured_against_nothing_of_its_own() -> None:
    found = measure(cell([[1, 1], [0, 1]], [1, 2]), "style", Reference(np.array([[1.0, 0]]), 0.9), None)
    assert set(found) == {"cosine", "distance", "prompt", "vendi"}


def test_diversity_is_of_the_pictures_of_one_prompt() -> None:
    """Two prompts whose pictures are alike: one picture each, though the prompts differ."""
    rows = np.array([[1.0, 0], [1, 0], [0, 1], [0, 1]])
    made = Cell(rows, rows, rows, np.zeros(4), [0, 0, 1, 1], [1, 2, 1, 2])
    assert measure(made, "train", Reference(rows, 2), None)["vendi"].value == pytest.approx(1)
    assert metrics.vendi(rows) == pytest.approx(2)


def test_repetitions_are_counted_from_the_threshold_on() -> None:
    reference = Reference(np.array([[1.0, 0, 0], [0, 1, 0]]), 0.9)
    found = measure(
        cell([[1, 0.1, 0], [0, 1, 0], [1, 1, 1], [0, 0, 1]], [1, 2, 3, 4]),
        "train",
        reference,
        cell([[0, 0, 1]] * 4, [1, 2, 3, 4]),
    )
    assert found["copies"].value == 0.5
