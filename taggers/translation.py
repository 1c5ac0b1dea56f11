"""Translation of everyday tags between danbooru and e621, for moving a dataset to another base model."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Literal

from taggers.errors import BadTableError

Direction = Literal["danbooru-to-e621", "e621-to-danbooru"]

_PATH = Path(__file__).parent / "tables" / "translation.txt"


@cache
def table(direction: Direction) -> dict[str, str]:
    """The other site's tag for each tag that it calls differently; tags that are not in it keep their names."""
    forth = direction == "danbooru-to-e621"
    found: dict[str, str] = {}
    for number, line in enumerate(_PATH.read_text(encoding="utf-8").splitlines(), 1):
        words = line.split()
        if not words or words[0] == "#":
            continue
        if len(words) != 3 or words[1] not in ("=", ">", "<"):
            raise BadTableError(f"{_PATH}:{number}: two tags with =, > or < between them are expected")
        danbooru, sign, e621 = words
        if sign in ("=", ">" if forth else "<"):
            found[danbooru if forth else e621] = e621 if forth else danbooru
    return found
