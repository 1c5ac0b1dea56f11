"""Scores of every LoRA for every concept and kind of prompts, and its ranks among the others."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from curate.evaluate import metrics
from curate.evaluate.metrics import Array
from curate.evaluate.result import METRICS, Evaluation, Row, Score

CRITERIA: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "fidelity": dict.fromkeys(("cosine", "distance"), ("train", "trigger", "alter", "style")),
    "controllability": {"prompt": ("train", "trigger", "alter", "style", "agnostic")},
    "diversity": {"vendi": ("train", "trigger", "alter", "style", "agnostic")},
    "preservation": {"style": ("style",), "leak": ("agnostic",)},
}
"""Criterion -> what it is measured by, and in which kinds of prompts."""
REPEATING = 0.05
"""Share of a LoRA's pictures of a concept from which it is said to repeat training pictures."""


@dataclass(frozen=True)
class Cell:
    """The pictures of a column, a concept and a kind of prompts, in the same order for every column.

    rows, seen, words  [pictures, width]: DINOv2's embeddings, CLIP's of the pictures and CLIP's of what they should
                       show
    styles             [pictures] the style loss against the base's picture; empty where it is not measured
    prompts, seeds     [pictures] of each, as numbers
    """

    rows: Array
    seen: Array
    words: Array
    styles: Array
    prompts: Sequence[int]
    seeds: Sequence[int]


@dataclass(frozen=True)
class Reference:
    """Training pictures of a concept, and the cosine from which a picture repeats one of them."""

    rows: Array
    threshold: float


Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Measured:
    """A score, and its values without each seed in turn."""

    value: float
    parts: Array

    @property
    def score(self) -> Score:
        """The value with its standard error."""
        return self.value, metrics.jackknife(self.parts)


def measure(cell: Cell, kind: str, reference: Reference, base: Cell | None) -> dict[str, Measured]:
    """All that is measured of a cell; `base` is the base's cell, None for itself."""
    measures: dict[str, Callable[[Mask], float]] = {}
    if kind != "agnostic":
        measures["cosine"] = lambda m: metrics.average_cosine(cell.rows[m], reference.rows)
        measures["distance"] = lambda m: metrics.centroid_distance(cell.rows[m], reference.rows)
    measures["prompt"] = lambda m: metrics.paired_cosine(cell.seen[m], cell.words[m])
    measures["vendi"] = lambda m: _diversity(cell, m)
    if base is not None and kind == "style":
        measures["style"] = lambda m: float(cell.styles[m].mean())
    if base is not None and kind == "agnostic":
        measures["leak"] = lambda m: (
            metrics.average_cosine(cell.rows[m], reference.rows) - metrics.average_cosine(base.rows[m], reference.rows)
        )
    if base is not None:
        repeated = metrics.nearest(cell.rows, reference.rows)[1] >= reference.threshold
        measures["copies"] = lambda m: float(repeated[m].mean())
    return {name: Measured(*metrics.leave_one_out(cell.seeds, one)) for name, one in measures.items()}


def _diversity(cell: Cell, mask: Mask) -> float:
    """The mean over prompts of the Vendi score of each one's pictures."""
    numbers = np.asarray(cell.prompts)
    return float(np.mean([metrics.vendi(cell.rows[mask & (numbers == n)]) for n in np.unique(numbers[mask])]))


def rank(rows: Sequence[Row], columns: Sequence[str]) -> dict[str, dict[str, float]]:
    """Each LoRA's ranks among the others in 0 to 1 by criterion: over measures and kinds, then over concepts."""
    table = {(row.column, row.concept, row.kind): row for row in rows}
    found: dict[str, dict[str, float]] = {column: {} for column in columns}
    for criterion in CRITERIA:
        per_concept: dict[str, list[list[float]]] = {}
        for concept, kind, metric in compared(rows, criterion):
            values = [table[column, concept, kind].scores[metric][0] for column in columns]
            per_concept.setdefault(concept, []).append(metrics.ranks(values, METRICS[metric][1]))
        if per_concept:
            means = np.mean([np.mean(lists, 0) for lists in per_concept.values()], 0)
            for column, mean_rank in zip(columns, means, strict=True):
                found[column][criterion] = float(mean_rank)
    for own in found.values():
        own["mean"] = float(np.mean(list(own.values()))) if own else 0.0
    return found


def compared(rows: Sequence[Row], criterion: str) -> Iterator[tuple[str, str, str]]:
    """(concept, kind, measure) of everything that a criterion is made of and that was measured of the LoRAs."""
    measured = {(row.concept, row.kind, metric) for row in rows for metric in row.scores}
    for concept in dict.fromkeys(row.concept for row in rows):
        for metric, kinds in CRITERIA[criterion].items():
            yield from ((concept, kind, metric) for kind in kinds if (concept, kind, metric) in measured)


def mean(result: Evaluation, column: str, metric: str) -> Score | None:
    """The mean of a measure over concepts and the kinds that count for its criterion, with its error."""
    kinds = next((own[metric] for own in CRITERIA.values() if metric in own), tuple(row.kind for row in result.rows))
    parts = [
        row.scores[metric] for row in result.rows if row.column == column and row.kind in kinds and metric in row.scores
    ]
    if not parts:
        return None
    values, errors = np.array(parts).T
    return float(values.mean()), float(np.sqrt((errors**2).sum()) / len(parts))
