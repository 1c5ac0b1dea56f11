"""Which pictures a person means by a name, a path in the concept or a pattern."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from pathlib import PurePosixPath

from curate.core.registry import closest


def names(key: str) -> set[str]:
    """What a record's key may be called: its file's name, its path in the concept or with it; suffix or not.

    Frames and parts (`#n`) go by the name of their file.
    """
    path = PurePosixPath(key.partition("/")[2] or key)
    whole = path.with_name(path.name.partition("#")[0]) if "#" in path.suffix else path
    stem = str(PurePosixPath(key).with_suffix(""))
    return {str(whole), whole.name, whole.stem, str(whole.with_suffix("")), key, stem}


def match(key: str, patterns: Iterable[str]) -> str | None:
    """The first pattern that means the record, None where none does."""
    known = names(key)
    return next((p for p in patterns if any(fnmatchcase(name, p) for name in known)), None)


def unmatched(patterns: Iterable[str], keys: Iterable[str]) -> list[tuple[str, str]]:
    """The patterns that mean none of the records, each with the nearest file name in use, empty where none is near."""
    known = {key: names(key) for key in keys}
    every = set[str]().union(*known.values())
    # a frame or part that is named comes into being later
    files = {p: re.sub(r"#\d+$", "", p) for p in patterns}
    lost = [p for p, file in files.items() if not any(fnmatchcase(name, file) for name in every)]
    return [(p, closest(p, sorted(every))) for p in lost]


def warnings(option: str, patterns: Iterable[str], keys: Iterable[str], place: str = "") -> Iterator[str]:
    """A sentence for each pattern of an option that means no picture in `place`."""
    for pattern, near in unmatched(patterns, keys):
        hint = f': did you mean "{near}"?' if near else ""
        yield f'{option}: no picture{place and f" in {place}"} is called "{pattern}"{hint}'
