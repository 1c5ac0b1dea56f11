"""Reads what is written per layer and per block: `PATTERN=ALGO:RANK/ALPHA` and lists of numbers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

_RULE = re.compile(r"(?:(?P<algo>[A-Za-z_][A-Za-z0-9_.-]*):?)?(?P<rank>\d+)?(?:/(?P<alpha>\d+(?:\.\d+)?))?")


@dataclass(frozen=True, slots=True)
class Rule:
    """What layers whose name fits the pattern get; None leaves the run's own."""

    pattern: str
    algo: str | None = None
    rank: int | None = None
    alpha: float | None = None


def rules(lines: Sequence[str]) -> list[Rule]:
    """Parsed rules, in order. Raises ValueError for what is none."""
    return [_rule(line) for line in lines]


def _rule(line: str) -> Rule:
    pattern, equals, said = line.partition("=")
    found = _RULE.fullmatch(said.strip())
    if not pattern.strip() or not equals or not said.strip() or found is None:
        raise ValueError(f"layers: {line!r} is not PATTERN=ALGO:RANK/ALPHA, as in attn2=lokr:16/8, mlp=64 or to_k=loha")
    algo, rank, alpha = found["algo"], found["rank"], found["alpha"]
    if rank is not None and int(rank) == 0:
        raise ValueError(f"layers: rank 0 in {line!r}; exclude leaves layers out")
    return Rule(pattern.strip(), algo, None if rank is None else int(rank), None if alpha is None else float(alpha))


def numbers(text: str) -> list[float]:
    """Numbers between commas. Raises ValueError for what is none."""
    return [float(part) for part in text.split(",")]


def block_numbers(name: str, text: str, whole: bool) -> None:
    """Raises ValueError unless the text holds numbers for blocks; how many there are, the base tells."""
    try:
        found = numbers(text)
    except ValueError:
        raise ValueError(f"{name} is not a list of numbers with commas: {text!r}") from None
    if any(n < 0 or (whole and n != int(n)) for n in found):
        raise ValueError(f"{name} has a value that is {'no whole number or ' * whole}below 0")
    if not any(found):
        raise ValueError(f"{name} is 0 for every block: nothing would be trained")
