"""The shift of a flow's times that depends on the size of the picture: s = e^μ, μ on a line of its tokens."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

TOKEN = 16
"""Pixels to a side of a token of a dynamic shift, in every family."""
Line = tuple[float, float, float, float]
"""(tokens, μ, tokens, μ): two points that the line goes through."""


def dynamic_shift(line: Line, width: int, height: int) -> float:
    """s of a picture of so many pixels, on the line and beyond its ends."""
    first, low, last, high = line
    tokens = (width // TOKEN) * (height // TOKEN)
    return math.exp(low + (high - low) * (tokens - first) / (last - first))


def line_of(schedule: Mapping[str, Any], line: Line) -> Line:
    """The line that a scheduler's configuration in diffusers' words says; `line` counts where it is silent."""
    names = ("base_image_seq_len", "base_shift", "max_image_seq_len", "max_shift")
    first, low, last, high = (float(schedule.get(name, usual)) for name, usual in zip(names, line, strict=True))
    return first, low, last, high
