"""Split names: words in paths that Hugging Face's `datasets` takes for the name of a split."""

from __future__ import annotations

import re
from collections.abc import Iterable

_SPLIT = re.compile(
    r"(?:^|[-._ 0-9/])(?:train|training|validation|valid|dev|val|test|testing|eval|evaluation)(?=[-._ 0-9/])"
)
"""As in datasets.data_files 2 to 4: a word of its own between signs, digits and slashes."""


def named_like_splits(paths: Iterable[str]) -> list[str]:
    """The paths with such a word. Where there is one, `datasets` loads those alone and leaves out the rest."""
    return [path for path in paths if _SPLIT.search(path)]
