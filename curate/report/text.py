"""Text for people: spans of time, counts, and the console they go to."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, TextIO

from curate.core.visible import visible

if TYPE_CHECKING:
    from rich.console import Console


def span(seconds: float) -> str:
    """A span of time, as exact as a person wants it: 0.42 s, 8.1 s, 3 min 05 s, 2 h 10 min."""
    if seconds < 1:
        return f"{seconds:.2f} s"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def pace(rate: float, unit: str = "") -> str:
    """How fast it goes: 12/s, or the seconds for each where it is slow."""
    if rate >= 1:
        return f"{rate:.1f}{unit and ' ' + unit}/s"
    return f"{1 / rate:.1f} s/{unit or 'each'}" if rate > 0 else ""


def listed(names: Sequence[str], most: int = 3) -> str:
    """The first few names, and how many more there are."""
    head = ", ".join(visible(n) for n in names[:most])
    return head if len(names) <= most else f"{head} and {len(names) - most:,} more"


def console(stream: TextIO) -> Console:
    """A console that uses colours and cursor movement only where `stream` is a terminal able to."""
    from rich.console import Console  # takes 50 ms to load

    if live(stream):
        return Console(file=stream, highlight=False, markup=False, emoji=False)
    return Console(
        file=stream, highlight=False, markup=False, emoji=False, force_terminal=False, color_system=None, soft_wrap=True
    )


def live(stream: TextIO) -> bool:
    """Whether the stream is a terminal that can redraw a line."""
    return stream.isatty() and os.environ.get("TERM", "") not in ("dumb", "unknown")
