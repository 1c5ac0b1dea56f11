"""Counting: numbers of things in messages."""

from __future__ import annotations


def counted(number: int, thing: str, things: str = "") -> str:
    """1 picture, 2,000 pictures; `things` is the plural where an s does not make it."""
    return f"{number:,} {thing if number == 1 else things or thing + 's'}"
