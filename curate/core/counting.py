"""Counting: numbers of things in messages."""

from __future__ import annotations


def counted(number: int, thing: str, things: str = "") -> str:
    """1 picture, 2,000 pictures; `things` is the plural where an s does not make it."""
    return f"{number:,} {thing if number == 1 else things or thing + 's'}"


def deviation(part: float) -> str:
    """+4%, -8%, and 0% for what rounds to nothing."""
    text = f"{part:+.0%}"
    return "0%" if text[1:] == "0%" else text
