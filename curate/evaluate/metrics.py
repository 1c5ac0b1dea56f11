"""Measures of generated pictures, as functions of embeddings; the criteria are those of arXiv 2309.14859.

Embeddings are arrays [pictures, width] of any scale: every function brings its rows to length 1 first.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def unit(rows: NDArray[np.floating]) -> Array:
    """The rows [n, width] at length 1, in float64; a row of zeros stays."""
    wide = np.asarray(rows, np.float64)
    lengths = np.linalg.norm(wide, axis=-1, keepdims=True)
    return wide / np.where(lengths == 0, 1, lengths)


def average_cosine(generated: Array, reference: Array) -> float:
    """Mean cosine similarity, -1 to 1, over all pairs of a generated [n, width] and a reference row [m, width].

    It is highest where all pictures are the reference's average one: it punishes diversity.
    """
    return float(unit(generated).mean(0) @ unit(reference).mean(0))


def centroid_distance(generated: Array, reference: Array) -> float:
    """Squared distance, 0 to 4, between the mean rows of generated [n, width] and reference [m, width] pictures.

    The spread of either cloud counts for nothing: it does not punish diversity.
    """
    difference = unit(generated).mean(0) - unit(reference).mean(0)
    return float(difference @ difference)


def paired_cosine(one: Array, other: Array) -> float:
    """Mean cosine similarity, -1 to 1, of each row [n, width] with the row of the same number."""
    return float((unit(one) * unit(other)).sum(-1).mean())


def vendi(rows: Array) -> float:
    """How many different pictures the rows [n, width] are worth: 1 where all are alike, n where all are orthogonal.

    exp of the entropy of the eigenvalues of K/n, with K the matrix of cosine similarities (arXiv 2210.02410). They
    are the squared singular values of the rows, so that the smaller of the two matrices is taken apart.
    """
    spectrum = np.linalg.svd(unit(rows), compute_uv=False) ** 2 / len(rows)
    positive = spectrum[spectrum > 1e-12]
    return float(np.exp(-(positive * np.log(positive)).sum()))


def gram(features: NDArray[np.floating]) -> Array:
    """The Gram matrix [channels, channels] of a layer's features [channels, height, width], over their number."""
    flat = np.asarray(features, np.float64).reshape(len(features), -1)
    return flat @ flat.T / flat.size


def style_loss(one: Sequence[NDArray[np.floating]], other: Sequence[NDArray[np.floating]]) -> float:
    """Mean over layers of the mean squared difference of two pictures' Gram matrices [channels, channels]."""
    pairs = zip(one, other, strict=True)
    return float(np.mean([np.mean((np.asarray(a, np.float64) - np.asarray(b, np.float64)) ** 2) for a, b in pairs]))


def nearest(rows: Array, reference: Array) -> tuple[NDArray[np.intp], Array]:
    """Of each row [n, width]: the number of the most similar reference row [m, width], and their cosine [n]."""
    similar = unit(rows) @ unit(reference).T
    best = similar.argmax(1)
    return best, similar[np.arange(len(best)), best]


def nearest_fellows(rows: Array) -> Array:
    """Of each row [n, width] the cosine [n] with the most similar other row; nothing of a single row."""
    if len(rows) < 2:
        return np.zeros(0)
    similar = unit(rows) @ unit(rows).T
    np.fill_diagonal(similar, -1)
    return similar.max(1)


def copy_threshold(fellows: Array, altered: Array) -> float:
    """The cosine from which a picture counts as a repetition of a training picture.

    fellows  of each training picture with the most similar other one: as near as different pictures come
    altered  of each training picture with itself mirrored, and cropped: as near as a copy stays

    Halfway from the 95th percentile of the first to the median of the second, so that it fits every embedding and
    every data set. Where training pictures are as near to each other as copies, only a copy's own nearness counts.
    """
    copy = float(np.median(altered))
    fellow = float(np.percentile(fellows, 95)) if len(fellows) else -1.0
    return copy if fellow >= copy or not len(fellows) else (fellow + copy) / 2


def leave_one_out(groups: Sequence[int], score: Callable[[NDArray[np.bool_]], float]) -> tuple[float, Array]:
    """A score of all items, and those without each group (seed) in turn, in order of the groups; none for one group.

    `score` takes a mask [items] of those that count.
    """
    labels = np.asarray(groups)
    names = np.unique(labels)
    parts = [score(labels != name) for name in names] if len(names) > 1 else []
    return score(np.ones(len(labels), bool)), np.array(parts)


def jackknife(parts: Array) -> float:
    """The standard error of a score by its values without each group [groups]; 0 where there is one group.

    Of a plain mean of equal groups it is the standard deviation of the groups' means over the root of their number. Of
    a difference of two scores of the same groups, what both have in common falls out.
    """
    if len(parts) < 2:
        return 0.0
    return float(np.sqrt((len(parts) - 1) * np.mean((parts - parts.mean()) ** 2)))


def ranks(scores: Sequence[float], higher_is_better: bool = True) -> list[float]:
    """The scores as ranks in 0 (worst) to 1 (best): the share of the others that each one beats, ties as half."""
    values = np.asarray(scores, np.float64) * (1 if higher_is_better else -1)
    if len(values) < 2:
        return [1.0] * len(values)
    beaten = (values[:, None] > values).sum(1) + ((values[:, None] == values).sum(1) - 1) / 2
    return [float(rank) for rank in beaten / (len(values) - 1)]
