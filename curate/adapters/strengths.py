"""A LoRA with its strengths as people write it: FILE, FILE:0.8, FILE:0.8:0.5, FILE:0.8,te=0.5,4-9=0."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from curate.errors import InputError

LARGEST = 1e4
"""Strength beyond which nothing but overflow comes out."""


@dataclass(frozen=True, slots=True)
class Strengths:
    """A LoRA file, its strength, and the strengths of its own that `te`, `unet` or blocks have."""

    file: str
    strength: float = 1.0
    named: Mapping[str, float] = field(default_factory=dict[str, float])


def parse_strengths(text: str, remedy: str) -> Strengths:
    """Splits a text; a second number is that of `te`. The file need not exist. Raises InputError with the remedy."""
    file = _file(text)
    if file == text:
        return Strengths(text)
    first, *others = text[len(file) + 1 :].split(",")
    numbers = first.split(":")
    if "=" in first:
        numbers, others = [], [first, *others]
    if len(numbers) > 2:
        raise InputError(f'{text}: "{first}" is not a strength', remedy)
    values = [_strength(number, text, remedy) for number in numbers]
    named = dict[str, float]()
    if values[1:]:
        named["te"] = values[1]
    for word in others:
        name, equals, value = word.rpartition("=")
        if not equals:
            raise InputError(f'{text}: "{word}" is not NAME=STRENGTH', remedy)
        named[name.strip()] = _strength(value, text, remedy)
    return Strengths(file, values[0] if values else 1.0, named)


def _file(text: str) -> str:
    """The part that names a file: the longest that exists, else what comes before the first colon.

    The colon of a Windows drive is part of a name, and so is one that a name contains.
    """
    ends = [len(text), *(at.start() for at in reversed(list(re.finditer(r":(?![\\/])", text))))]
    existing = (text[:end] for end in ends if text[:end].strip() and Path(text[:end]).expanduser().exists())
    match = re.match(r"(?:[A-Za-z]:(?=[\\/]))?[^:]*", text)
    return next(existing, match[0] if match else text)


def _strength(value: str, text: str, remedy: str) -> float:
    try:
        number = float(value)
    except ValueError:
        number = float("nan")
    if abs(number) > LARGEST:
        remedy = f"a strength is at most {LARGEST:,.0f}"
    if not abs(number) <= LARGEST:
        raise InputError(f'{text}: "{value}" is not a strength', remedy)
    return number
