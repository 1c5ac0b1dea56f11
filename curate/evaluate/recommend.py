"""Which LoRA to take, and on what grounds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from curate.core.counting import counted
from curate.evaluate import metrics
from curate.evaluate.result import METRICS, Row
from curate.evaluate.scores import CRITERIA, REPEATING, Measured, compared

_CLOSE = 0.05
"""Difference of mean ranks below which two LoRAs count as equally good."""


@dataclass(frozen=True, slots=True)
class Lead:
    """In how many of so many scores one LoRA is better, and worse, than another by more than the error."""

    better: int
    worse: int
    total: int


Measures = Mapping[tuple[str, str, str], Mapping[str, Measured]]
"""What was measured, by column, concept and kind."""


def recommend(
    rows: Sequence[Row], measures: Measures, ranks: Mapping[str, Mapping[str, float]], repeats: Mapping[str, float]
) -> tuple[str, str]:
    """The LoRA with the best mean rank among those that do not repeat training pictures, and the grounds.

    LoRAs are in the order of training: of equally good ones the earlier is taken, which has learnt less by heart.
    """
    fit = [name for name in ranks if name not in repeats] or list(ranks)
    best = max(ranks[name]["mean"] for name in fit)
    chosen = next(name for name in fit if ranks[name]["mean"] > best - _CLOSE)
    sentences = [*_grounds(chosen, ranks, rows, measures), *_passed_over(chosen, ranks, repeats)]
    return chosen, " ".join(sentences)


def _grounds(
    chosen: str, ranks: Mapping[str, Mapping[str, float]], rows: Sequence[Row], measures: Measures
) -> list[str]:
    others = [name for name in ranks if name != chosen]
    if not others:
        return [f"{chosen} is the only LoRA, so there is nothing to rank: compare it with the base."]
    own = ranks[chosen]
    listed = ", ".join(f"{criterion} {own[criterion]:.2f}" for criterion in CRITERIA if criterion in own)
    second = max(others, key=lambda name: ranks[name]["mean"])
    ahead = lead(rows, measures, chosen, second)
    place = "has the best mean rank" if own["mean"] >= ranks[second]["mean"] else "does not have the best mean rank"
    found = [
        f"{chosen} {place}, {own['mean']:.2f} of 1 ({listed}).",
        f"{second} has {ranks[second]['mean']:.2f}: of {counted(ahead.total, 'score')}, {chosen} is better in "
        f"{ahead.better:,} and worse in {ahead.worse:,} by more than the error.",
    ]
    if abs(own["mean"] - ranks[second]["mean"]) < _CLOSE:
        found.append("Ranks this close say little: the earlier one is taken.")
    elif not ahead.better:
        found.append("None of its leads is beyond the error: draw more pictures, or choose by eye.")
    return found


def lead(rows: Sequence[Row], measures: Measures, one: str, other: str) -> Lead:
    """How two LoRAs compare, score by score.

    Both draw the same prompts with the same seeds, so that the error is that of their difference: 95 %.
    """
    better = worse = total = 0
    for criterion in CRITERIA:
        for concept, kind, metric in compared(rows, criterion):
            a, b = (measures[column, concept, kind][metric] for column in (one, other))
            sign = 1 if METRICS[metric][1] else -1
            reach = metrics.jackknife(a.parts - b.parts) * _student(len(a.parts))
            better += sign * (a.value - b.value) > reach
            worse += sign * (b.value - a.value) > reach
            total += 1
    return Lead(better, worse, total)


def _passed_over(chosen: str, ranks: Mapping[str, Mapping[str, float]], repeats: Mapping[str, float]) -> list[str]:
    """What is said of LoRAs that repeat training pictures."""
    found: list[str] = []
    for name, share in repeats.items():
        if name == chosen:
            others = ", as all of them do" if len(ranks) > 1 else ""
            found.append(f"It repeats training pictures in {share:.0%} of its own{others}.")
        elif ranks[name]["mean"] > ranks[chosen]["mean"]:
            found.append(f"{name} ranks higher but repeats training pictures in {share:.0%} of its own.")
    return found


def repeating(rows: Sequence[Row]) -> dict[str, float]:
    """LoRAs of which a concept's pictures repeat training pictures often enough, with the largest share."""
    shares: dict[tuple[str, str], list[tuple[int, float]]] = {}
    for row in rows:
        if "copies" in row.scores:
            shares.setdefault((row.column, row.concept), []).append((row.pictures, row.scores["copies"][0]))
    result: dict[str, float] = {}
    for (column, _), parts in shares.items():
        share = sum(n * s for n, s in parts) / sum(n for n, _ in parts)
        if share >= REPEATING:
            result[column] = max(share, result.get(column, 0))
    return result


def reach_of_errors(rows: Sequence[Row]) -> dict[str, float]:
    """Half the width of the 95% interval of each measure, the median over all rows (Student's t over the seeds)."""
    widths: dict[str, list[float]] = {}
    for row in rows:
        for metric, (_, error) in row.scores.items():
            widths.setdefault(metric, []).append(error * _student(round(row.each)))
    return {metric: float(np.median(widths[metric])) for metric in METRICS if metric in widths}


def _student(seeds: int) -> float:
    """Student's t of 95 % by the number of seeds."""
    from scipy.stats import t

    return float(t.ppf(0.975, max(1, seeds - 1)))


def reach_in_words(errors: Mapping[str, float], quick: bool, count: int) -> str:
    """How far the errors reach."""
    listed = ", ".join(f"{metric} ±{errors[metric]:.2g}" for metric in errors if metric != "copies")
    line = f"With {counted(count, 'picture')} of a concept and kind, a score's 95% interval is about {listed}."
    if quick:
        line += " quick is for a first look: without it 100 pictures are drawn."
    return line + " Two LoRAs draw the same seeds, so that their difference is known better."
