"""Faults: from which measure on a picture needs editing, and how that is said."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, get_args

from curate.core.record import Record

Fault = Literal["blur", "blocks", "noise", "blank", "aspect", "small", "damaged"]

# fault: least and most that a limit can be, and what the measure says
_RANGES: dict[str, tuple[float, float, str]] = {
    "blur": (0, 1, "0 is sharp, 1 is blurred"),
    "blocks": (1, 100, "1 is none"),
    "noise": (0, 255, "the noise in luma"),
    "blank": (0, 1, "the share of one colour"),
    "aspect": (1, 1000, "the ratio of the sides"),
    "small": (1, 100_000, "the side of a square of that area in pixels"),
}


def limit(fault: Any, given: Any) -> float | None:
    """A limit as it was given; None for the stage's own. Raises ValueError."""
    if fault not in get_args(Fault):
        raise ValueError(f"{fault!r} is no fault: choose from {', '.join(get_args(Fault))}")
    if given is None or given is True:
        return None
    if fault not in _RANGES:
        raise ValueError(f"{fault} takes no limit")
    low, high, meaning = _RANGES[fault]
    try:
        value = float(given)
    except (TypeError, ValueError):
        raise ValueError(f"{fault} takes a number from {low} to {high} ({meaning}), not {given!r}") from None
    if not low <= value <= high:
        raise ValueError(f"{fault} takes a number from {low} to {high} ({meaning}), not {given!r}")
    return value


def found(limits: Mapping[Fault, float], own: Mapping[Fault, float], record: Record) -> dict[str, str]:
    """Faults from these limits on, and reasons; what is blank by the stage's own limit is not called blurred besides."""
    reasons = {fault: reason for fault, least in limits.items() if (reason := _reason(fault, least, record))}
    if _reason("blank", own["blank"], record):
        reasons.pop("blur", None)
    return reasons


def _reason(fault: str, least: float, record: Record) -> str:
    """Why the picture has the fault from this least on, empty where it has not."""
    found: dict[str, Any] = record.facts["measures"]
    width, height = found["width"], found["height"]
    match fault:
        case "blank" if found["blank"] >= least:
            return f"nearly blank ({found['blank']:.0%} of one colour)"
        case "blur" if found["blur"] >= least:
            return f"blurred ({found['blur']:.2f})"
        case "blocks" if found["blocks"] >= least:
            return f"JPEG blocks show ({found['blocks']:.1f})"
        case "noise" if found["noise"] >= least:
            return f"noisy ({found['noise']:.1f})"
        case "aspect" if max(width, height) >= least * min(width, height):
            return f"extremely {'wide' if width > height else 'tall'} ({width}×{height})"
        case "small" if width * height < least**2:
            return f"smaller than {least:.0f}×{least:.0f} ({width}×{height})"
        case "damaged" if record.facts.get("truncated"):
            return "a damaged file of which only a part could be read"
        case _:
            return ""
