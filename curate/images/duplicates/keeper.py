"""Which of several copies of one picture stays."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Any, Literal

from curate.core.record import Record

Rule = Literal["largest", "sharpest", "first"]

_COPY = re.compile(r"(?i)^(copy|kopie) (of|von) |[ _-](copy|kopie|copie|copia)([ _-]*\(?\d+\)?)?$|\(\d+\)$")

# measured on photos, sprites and line art: perturbed by 4 to 8 of 255 they score 0.5 to 9, untouched copies of one
# picture differ by less than 1.5 times, but a strongly compressed one has lost its noise with its detail
_NOISY, _TIMES = 0.4, 1.8
_BLOCKS, _SURE = 1.25, 1.0
_COMPARABLE = 0.25  # share of the area below which a copy has averaged the noise away


def keeper(copies: Sequence[Record], rule: Rule) -> Record:
    """The copy that stays: one without added noise, then by size and sharpness, then the one not named as a copy.

    Noise comes first because added noise is measured as sharpness. Each record has the fact `fingerprint`.
    """
    if rule == "first":
        return min(copies, key=lambda r: r.key)
    return min(copies, key=lambda r: (is_noisier(r, copies), *_quality(r, rule), *by_name(r)))


def is_noisier(record: Record, copies: Sequence[Record]) -> bool:
    """Whether a copy has noise that another one, not much smaller, shows to have been added."""
    own = record.facts["fingerprint"]
    return any(_shows_noise(own, r.facts["fingerprint"]) for r in copies if r is not record)


def by_name(record: Record) -> tuple[bool, int, str]:
    """Order of equal copies: the original first, since what copies are called is longer and often says so."""
    stem = PurePosixPath(record.key).stem
    return _COPY.search(stem) is not None, len(stem), record.key


def _shows_noise(own: dict[str, Any], other: dict[str, Any]) -> bool:
    if other["area"] < _COMPARABLE * own["area"] or own["noise"] < _TIMES * other["noise"]:
        return False
    is_coded = other["blocks"] >= _BLOCKS and other["blocks"] > own["blocks"]
    return own["noise"] >= (_SURE if is_coded else _NOISY)


def _quality(record: Record, rule: Rule) -> tuple[float, float, float]:
    own = record.facts["fingerprint"]
    # dots and bands of few colors are measured as sharp, and are none of it
    large, sharp, reduced = -float(own["area"]), -float(own["sharpness"]), float(own["reduced"])
    return (large, reduced, sharp) if rule == "largest" else (reduced, sharp, large)
