"""Which pictures a person means by a name, a path in the concept or a pattern."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase
from pathlib import PurePosixPath


def names(key: str) -> set[str]:
    """What a record's key may be called: its file's name or path in the concept, each with or without suffix.

    Frames and parts (`#n`) go by the name of their file.
    """
    path = PurePosixPath(key.partition("/")[2] or key)
    whole = path.with_name(path.name.partition("#")[0]) if "#" in path.suffix else path
    return {str(whole), whole.name, whole.stem, str(whole.with_suffix("")), key}


def match(key: str, patterns: Iterable[str]) -> str | None:
    """The first pattern that means the record, None where none does."""
    known = names(key)
    return next((p for p in patterns if any(fnmatchcase(name, p) for name in known)), None)
