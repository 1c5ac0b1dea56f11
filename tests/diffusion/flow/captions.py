"""Captions that every text encoder is tried with: none, a word, tags with an emphasis, and more than it reads."""

from __future__ import annotations

import pytest

LONG = "a red dog with a hat, " * 100
EVERY_CAPTION = pytest.mark.parametrize(
    "caption", ["", "dog", "a red dog, (hat:1.2), solo", LONG], ids=["empty", "short", "", "long"]
)
