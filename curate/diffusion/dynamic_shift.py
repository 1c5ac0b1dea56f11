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


def empirical_shift(width: int, height: int, steps: int) -> float:
    """s that pictures of FLUX.2 are drawn with: it grows with their size, and falls as steps are more.

    From diffusers' pipeline: lines of the tokens that were fitted for 10 and 200 steps, and what lies between them.
    """
    tokens = (width // TOKEN) * (height // TOKEN)
    many = 0.00016927 * tokens + 0.45666666
    few = 8.73809524e-05 * tokens + 1.89833333
    return math.exp(many if tokens > 4300 else few + (many - few) * (steps - 10) / 190)


def line_of(schedule: Mapping[str, Any], line: Line) -> Line:
    """The line that a scheduler's configuration in diffusers' words says; `line` counts where it is silent."""
    names = ("base_image_seq_len", "base_shift", "max_image_seq_len", "max_shift")
    first, low, last, high = (float(schedule.get(name, usual)) for name, usual in zip(names, line, strict=True))
    return first, low, last, high
