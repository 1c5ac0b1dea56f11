"""Whether a base is a sibling with the same layers that was distilled to few steps, which training spoils."""

from __future__ import annotations

import re
from pathlib import Path, PurePath

from curate.diffusion.detect import index_of
from curate.diffusion.family import Family
from curate.errors import InputError


def is_distilled(family: Family, base: str, place: Path | None = None) -> bool | None:
    """Whether names or the index of the folder at `place` say so; None where nothing says either."""
    named = _by_name(family, base)
    told = index_of(place).get("is_distilled") if place is not None and place.is_dir() else None
    if not family.distilled or not isinstance(told, bool):
        return named
    return told or bool(named)  # an index written without a word of it says False


def _by_name(family: Family, base: str) -> bool | None:
    """By what the name of its file or folder tells, then that of the folder around it; None where neither does."""
    parts = PurePath(base.lower()).parts
    if len(parts) > 2 and parts[-2] == "snapshots":  # the hub's cache names folders by their content
        parts = parts[:-2]
    for name in parts[:-3:-1]:
        if any(re.search(pattern, name) for pattern in family.undistilled):
            return False
        if any(re.search(pattern, name) for pattern in family.distilled):
            return True
    return None


def check(family: Family, base: str, given: bool | None, place: Path | None = None) -> None:
    """Raises InputError for a base that is distilled, or may be; `given` is what the user says of it.

    `place` is where it is on this machine.
    """
    if not family.distilled:
        if given is not None:
            raise InputError(f"distilled has no effect on {family.title}", "leave it out")
        return
    if given is not None:
        return
    known = is_distilled(family, base, place)
    if known is None:
        raise InputError(
            f"{base} does not say whether it is distilled: {family.title} and its distilled sibling have the same "
            "layers, and only the first can be trained well",
            f"give --no-distilled if it is not; if it is, train on {_usual(family)}",
        )
    if known:
        raise refusal(family, base, "; or give --distilled to train on this one all the same")


def refusal(family: Family, base: str, otherwise: str = "") -> InputError:
    """What is said of a base that is distilled; `otherwise` is what else can be done."""
    return InputError(
        f"{base} is distilled to few steps: training undoes that, and pictures in few steps get blurred",
        f"train on {_usual(family)}, whose LoRAs it takes too{otherwise}",
    )


def _usual(family: Family) -> str:
    return next(iter(family.common), family.title)
