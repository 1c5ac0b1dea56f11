"""Pairs: NAME=VALUE on the command line."""

from __future__ import annotations

from curate.errors import InputError


def pair(text: str, option: str) -> tuple[str, str]:
    """Splits NAME=VALUE. Raises InputError naming the option."""
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise InputError(f"{option} takes NAME=VALUE, found {text!r}")
    return key.strip(), value.strip()
