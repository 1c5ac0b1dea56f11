"""Selection: from scores to tags by thresholds, MCut or the tags' own limits; several models merged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Literal

from taggers.base import Scored

SET_APART = ("rating", "quality")
"""Categories of which one tag wins, instead of all above a threshold."""


@dataclass(frozen=True)
class Rules:
    """How tags are picked.

    thresholds  by model, then category; `general` stands for every category that has none of its own
    given       categories whose threshold the user gave: those win over a tag's own
    best        thresholds by model and tag, for cut "best"
    known       by model, the tags it can say at all, for merge "mean" and "priority"
    copyrights  works by character
    """

    models: tuple[str, ...]
    thresholds: Mapping[str, Mapping[str, float]]
    given: frozenset[str] = frozenset()
    cut: Literal["thresholds", "mcut", "best"] = "thresholds"
    merge: Literal["max", "mean", "priority"] = "max"
    categories: frozenset[str] = frozenset({"general", "character", "copyright", "species"})
    rating: Literal["off", "plain", "prefixed"] = "off"
    limit: int = 0
    best: Mapping[str, Mapping[str, float]] = field(default_factory=dict[str, Mapping[str, float]])
    known: Mapping[str, frozenset[str]] = field(default_factory=dict[str, frozenset[str]])
    copyrights: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])


def pick(scores: Mapping[str, Scored], rules: Rules) -> list[str]:
    """The tags, by falling score, ties by name; a rating last; works of characters right after these."""
    passing = _merged(scores, rules)
    order = sorted(passing, key=lambda t: (-passing[t], t))
    if rules.limit:
        order = order[: rules.limit]
    for character in [t for t in order if t in rules.copyrights]:
        place = order.index(character) + 1
        order[place:place] = [w for w in rules.copyrights[character] if w not in order]
    if rules.rating != "off":
        best = rating(scores, rules.models)
        if best:
            order.append(f"rating:{best}" if rules.rating == "prefixed" else best)
    return order


def rating(scores: Mapping[str, Scored], models: Sequence[str]) -> str:
    """The rating that scores highest by the first model that rates; "" where none does."""
    for model in models:
        rated = {t: s for t, (s, c) in scores.get(model, {}).items() if c == "rating"}
        if rated:
            return max(sorted(rated), key=lambda t: rated[t])
    return ""


def mcut(scores: Sequence[float]) -> float:
    """The middle of the largest gap between neighbouring scores, as MCut (Largeron et al., 2012) puts it; 1 for none.

    Scores under the floor are not kept; zero stands for the highest of them as the last neighbour. So the last gap is
    taken for larger than it is, by less than the floor: the tags differ from those of the whole list only where
    another gap is the largest by less than that, and then they are more by what lies between the two.
    """
    if not scores:
        return 1.0
    ordered = [*sorted(scores, reverse=True), 0.0]
    gaps = [a - b for a, b in pairwise(ordered)]
    widest = gaps.index(max(gaps))
    return (ordered[widest] + ordered[widest + 1]) / 2


def _limits(model: str, found: Scored, rules: Rules) -> dict[str, float]:
    """The threshold of every category that occurs in the model's scores."""
    table = rules.thresholds.get(model, {})
    general = table.get("general", 0.35)
    limits = {category: table.get(category, general) for _, category in found.values()}
    if rules.cut != "mcut":
        return limits
    for category in limits:
        if category not in SET_APART:
            cut = mcut([s for s, c in found.values() if c == category])
            limits[category] = max(cut, 0.15) if category == "character" else cut
    return limits


def _merged(scores: Mapping[str, Scored], rules: Rules) -> dict[str, float]:
    """Score by tag, of the tags that pass."""
    tables = [(m, scores[m], _limits(m, scores[m], rules)) for m in rules.models if m in scores]
    if len(tables) == 1 or rules.merge == "max":
        passing: dict[str, float] = {}
        for model, found, limits in tables:
            best = rules.best.get(model, {})
            for tag, (score, category) in found.items():
                if category in rules.categories and score >= _limit(tag, category, limits, best, rules):
                    passing[tag] = max(score, passing.get(tag, 0.0))
        return passing
    return _weighed(tables, rules)


def _weighed(tables: Sequence[tuple[str, Scored, Mapping[str, float]]], rules: Rules) -> dict[str, float]:
    passing: dict[str, float] = {}
    everything = {tag: category for _, found, _ in reversed(tables) for tag, (_, category) in found.items()}
    for tag, category in everything.items():
        if category not in rules.categories:
            continue
        knowing = [t for t in tables if tag in rules.known.get(t[0], frozenset()) or tag in t[1]]
        if rules.merge == "priority":
            knowing = knowing[:1]
        given = [found[tag][0] if tag in found else 0.0 for _, found, _ in knowing]
        wanted = [_limit(tag, category, limits, rules.best.get(model, {}), rules) for model, _, limits in knowing]
        score = sum(given) / len(given)
        if score >= sum(wanted) / len(wanted):
            passing[tag] = score
    return passing


def _limit(tag: str, category: str, limits: Mapping[str, float], best: Mapping[str, float], rules: Rules) -> float:
    limit = limits.get(category, limits.get("general", 0.35))
    return best.get(tag, limit) if rules.cut == "best" and category not in rules.given else limit
