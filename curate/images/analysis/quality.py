"""Faults: from which measure on a picture needs editing, and how that is said."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from curate.core.record import Record
from curate.core.registry import nearest

Fault = Literal["blur", "blocks", "noise", "blank", "aspect", "small", "damaged", "enlarged", "border"]

# fault: least and most that a limit can be, and what the measure says
_RANGES: dict[str, tuple[float, float, str]] = {
    "blur": (0, 1, "0 is sharp, 1 is blurred"),
    "blocks": (1, 100, "1 is none"),
    "noise": (0, 255, "the noise in luma"),
    "blank": (0, 1, "the share of one color"),
    "aspect": (1, 1000, "the ratio of the sides"),
    "small": (1, 100_000, "the training resolution in pixels"),
    "enlarged": (1, 100, "how many times it was enlarged"),
    "border": (1, 100_000, "pixels of the widest side"),
}


def limit(fault: Any, given: Any) -> float | None:
    """A limit as it was given; None for the stage's own. Raises ValueError."""
    if fault not in get_args(Fault):
        raise ValueError(f"{fault!r} is not a fault: {nearest(str(fault), get_args(Fault))}")
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


@dataclass(frozen=True, slots=True)
class SizeRule:
    """A picture is small where training enlarges it over `growth` times; `enlargement` takes width, height, side."""

    growth: float
    enlargement: Callable[[int, int, int], float]


def faults(
    limits: Mapping[Fault, float], own: Mapping[Fault, float], sizes: SizeRule, record: Record
) -> dict[str, str]:
    """Faults from these limits on, and reasons; what is blank by the stage's limit is not blurred besides."""
    reasons = {fault: reason for fault, least in limits.items() if (reason := _reason(fault, least, sizes, record))}
    if _reason("blank", own["blank"], sizes, record):
        for fault in ("blur", "enlarged", "border"):
            reasons.pop(fault, None)
    if _reason("blur", own["blur"], sizes, record):
        reasons.pop("enlarged", None)
    return reasons


def _reason(fault: str, least: float, sizes: SizeRule, record: Record) -> str:
    """Why the picture has the fault from this least on, empty where it has not."""
    measures: dict[str, Any] = record.facts["measures"]
    width, height = measures["width"], measures["height"]
    match fault:
        case "blank" if measures["blank"] >= least:
            return f"nearly blank ({measures['blank']:.0%} of one color)"
        case "blur" if measures["blur"] >= least:
            return f"blurred ({measures['blur']:.2f})"
        case "enlarged" if measures["enlarged"] > 1 and measures["enlarged"] >= least:
            return _enlarged(measures["enlarged"], width, height)
        case "blocks" if measures["blocks"] >= least:
            return f"JPEG blocks show ({measures['blocks']:.1f})"
        case "noise" if measures["noise"] >= least:
            return f"noisy ({measures['noise']:.1f})"
        case "border" if max(measures["borders"]) >= least:
            return _bordered(measures["borders"])
        case "aspect" if max(width, height) >= least * min(width, height):
            return f"extremely {'wide' if width > height else 'tall'} ({width}×{height})"
        case "small" if (times := sizes.enlargement(width, height, round(least))) > sizes.growth:
            return f"smaller than {least:.0f}×{least:.0f} ({width}×{height}): training enlarges it {times:.1f} times"
        case "damaged" if record.facts.get("truncated"):
            return "a damaged file of which only a part could be read"
        case _:
            return ""


def _enlarged(times: float, width: int, height: int) -> str:
    size = f"{max(1, round(width / times))}×{max(1, round(height / times))}"
    return f"enlarged or out of focus: about as much detail as {size}"


def _bordered(widths: Sequence[int]) -> str:
    sides = zip(("left", "top", "right", "bottom"), widths, strict=True)
    return (
        "a border: " + ", ".join(f"{width} px {side}" for side, width in sides if width) + "; `curate crop` cuts it off"
    )
