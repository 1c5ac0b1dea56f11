"""Each measure against a formula of its own, on embeddings made for it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.evaluate import metrics

RANDOM = np.random.default_rng(11)


def rows(count: int, width: int = 6) -> Any:
    return RANDOM.normal(size=(count, width))


def cosine(a: Any, b: Any) -> float:
    return sum(x * y for x, y in zip(a, b, strict=True)) / math.sqrt(sum(x * x for x in a) * sum(y * y for y in b))


@pytest.mark.parametrize("count", [1, 2, 5, 9])
def test_vendi_of_identical_pictures_is_one_and_of_orthogonal_ones_their_number(count: int) -> None:
    assert metrics.vendi(np.tile(rows(1), (count, 1))) == pytest.approx(1)
    assert metrics.vendi(3.5 * np.eye(count, 12)) == pytest.approx(count)


def test_vendi_is_the_entropy_of_the_similarity_matrix() -> None:
    made = rows(7)
    kernel = np.array([[cosine(a, b) for b in made] for a in made]) / 7
    values = [v for v in np.linalg.eigvalsh(kernel) if v > 1e-12]
    assert metrics.vendi(made) == pytest.approx(math.exp(-sum(v * math.log(v) for v in values)))


def test_two_pairs_of_twins_are_two_pictures() -> None:
    assert metrics.vendi(np.array([[1, 0, 0], [1, 0, 0], [0, 2, 0], [0, 2, 0.0]])) == pytest.approx(2)


def test_cosine_and_centroid_distance_by_hand() -> None:
    generated, reference = np.array([[3.0, 0], [0, 5]]), np.array([[1.0, 0], [4, 4]])
    half = math.sqrt(0.5)
    # pairs: right-right 1, right-diagonal √½, up-right 0, up-diagonal √½
    assert metrics.average_cosine(generated, reference) == pytest.approx((1 + half + 0 + half) / 4)
    # centroids: (½, ½) and ((1 + √½)/2, √½/2)
    assert metrics.centroid_distance(generated, reference) == pytest.approx((half / 2) ** 2 + ((1 - half) / 2) ** 2)


def test_average_cosine_is_that_of_all_pairs() -> None:
    one, other = rows(4), rows(5)
    expected = sum(cosine(a, b) for a in one for b in other) / 20
    assert metrics.average_cosine(one, other) == pytest.approx(expected)


def test_centroid_distance_does_not_punish_diversity() -> None:
    reference = np.array([[1.0, 1], [1, -1]])
    assert metrics.centroid_distance(reference, reference) == pytest.approx(0)
    assert metrics.average_cosine(reference, reference) < metrics.average_cosine(np.array([[1.0, 0]]), reference)


def test_paired_cosine_takes_rows_of_the_same_number() -> None:
    one, other = rows(4), rows(4)
    assert metrics.paired_cosine(one, other) == pytest.approx(np.mean([cosine(one[n], other[n]) for n in range(4)]))
    with pytest.raises(ValueError, match="broadcast"):
        metrics.paired_cosine(one, rows(3))


def test_style_loss_against_plain_gram_matrices() -> None:
    layers = [(RANDOM.normal(size=(c, 4, 5)), RANDOM.normal(size=(c, 4, 5))) for c in (3, 6)]

    def plain(features: Any) -> list[list[float]]:
        channels, height, width = features.shape
        total = channels * height * width
        return [
            [
                sum(features[i, y, x] * features[j, y, x] for y in range(height) for x in range(width)) / total
                for j in range(channels)
            ]
            for i in range(channels)
        ]

    expected = []
    for one, other in layers:
        a, b = plain(one), plain(other)
        squares = [(a[i][j] - b[i][j]) ** 2 for i in range(len(a)) for j in range(len(a))]
        expected.append(sum(squares) / len(squares))
    ones, others = ([metrics.gram(pair[n]) for pair in layers] for n in (0, 1))
    assert metrics.style_loss(ones, others) == pytest.approx(sum(expected) / 2)
    assert metrics.style_loss(ones, ones) == 0


def test_style_does_not_depend_on_place() -> None:
    features = RANDOM.normal(size=(3, 4, 5))
    assert metrics.style_loss([metrics.gram(features)], [metrics.gram(features[:, ::-1, ::-1])]) == pytest.approx(0)


def test_nearest_names_the_most_similar_one() -> None:
    reference = np.eye(3)
    best, similar = metrics.nearest(np.array([[0.1, 2, 0], [0, 0, 4]]), reference)
    assert best.tolist() == [1, 2]
    assert similar == pytest.approx([2 / math.hypot(0.1, 2), 1])
    assert metrics.nearest_fellows(np.array([[1.0, 0], [1, 1], [-1, 0]])) == pytest.approx(
        [math.sqrt(0.5)] * 2 + [-math.sqrt(0.5)]
    )
    assert len(metrics.nearest_fellows(np.eye(1))) == 0


def test_a_copy_is_nearer_than_fellows_are() -> None:
    assert metrics.copy_threshold(np.array([0.5, 0.6, 0.6]), np.array([0.9, 0.96, 0.98])) == pytest.approx(0.7775, 0.01)
    assert metrics.copy_threshold(np.array([0.99, 0.99]), np.array([0.9, 0.9])) == pytest.approx(0.9)
    assert metrics.copy_threshold(np.zeros(0), np.array([0.9])) == pytest.approx(0.9)


def test_the_error_of_a_mean_is_that_of_the_seeds() -> None:
    values, seeds = RANDOM.normal(size=12), [0, 1, 2, 3] * 3
    means = [np.mean([v for v, s in zip(values, seeds, strict=True) if s == seed]) for seed in range(4)]
    score, parts = metrics.leave_one_out(seeds, lambda mask: float(values[mask].mean()))
    assert score == pytest.approx(values.mean())
    assert metrics.jackknife(parts) == pytest.approx(np.std(means, ddof=1) / 2)
    assert metrics.jackknife(metrics.leave_one_out([5] * 12, lambda mask: float(values[mask].mean()))[1]) == 0


def test_what_two_scores_have_in_common_is_no_error_of_their_difference() -> None:
    values, seeds = RANDOM.normal(size=12), [0, 1, 2, 3] * 3
    one, other = (metrics.leave_one_out(seeds, lambda m, a=add: float(values[m].mean() + a))[1] for add in (0, 0.25))
    assert metrics.jackknife(one) > 0.01
    assert metrics.jackknife(one - other) == pytest.approx(0)


@given(st.lists(st.floats(-9, 9), min_size=2, max_size=6))
def test_ranks_lie_between_worst_and_best(scores: list[float]) -> None:
    made = metrics.ranks(scores)
    assert all(0 <= rank <= 1 for rank in made)
    assert sum(made) == pytest.approx(len(scores) / 2)
    assert made[scores.index(max(scores))] == max(made)
    assert metrics.ranks(scores, higher_is_better=False) == pytest.approx([1 - rank for rank in made])


def test_ranks_by_hand() -> None:
    assert metrics.ranks([0.3, 0.1, 0.2]) == [1, 0, 0.5]
    assert metrics.ranks([2.0, 2.0, 5.0]) == [0.25, 0.25, 1]
    assert metrics.ranks([7.0]) == [1]
