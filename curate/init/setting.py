"""A part of a training recipe."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Setting:
    """Options of the trainer that belong together, and why they are what they are."""

    why: str
    options: dict[str, Any]
