"""Names: file and folder names that every system and trainer accepts, unique within a folder."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

_RESERVED = {
    "con",
    "prn",
    "aux",
    "nul",
    "conin$",
    "conout$",
    *(f"{p}{i}" for p in ("com", "lpt") for i in "123456789¹²³"),
}
_UNSAFE = re.compile(r'[<>:"/\\|?*\x00-\x1f\x7f\u202a-\u202e\u2066-\u2069\ud800-\udfff]')
_LONGEST = 180
"""Bytes of UTF-8: file systems take 255, and suffixes and temporary names must still fit."""

_REPEATS = re.compile(r"\s*(\d+)_(.*)", re.DOTALL)
_NEAR = re.compile(r"\s*(0|[1-9]\d{0,2})\s+(.*\S.*)", re.DOTALL)
_PART = re.compile(r"(?:#\d+)+$")
MOST_REPEATS = 100_000
"""A number above it before a `_` is a date or the like."""


def source_key(key: str) -> str:
    """The key of the source that a frame or part (`#n`) comes from."""
    return _PART.sub("", key) if "#" in key else key


def safe(name: str) -> str:
    """A name any file system takes: no separators or control characters, not reserved on Windows, not too long.

    Unicode is kept, in composed form (NFC), so that the same name means the same file everywhere.
    """
    name = _UNSAFE.sub("_", unicodedata.normalize("NFC", name)).strip().rstrip(". ")
    if name.startswith(("-", ".")):
        name = "_" + name[1:]
    while len(name.encode()) > _LONGEST:
        name = name[:-1]
    name = name.rstrip(". ")
    if name.split(".")[0].rstrip().lower() in _RESERVED:
        name = "_" + name
    return name or "_"


def fold(path: PurePosixPath | str) -> str:
    """What two paths share when a case-insensitive or normalising file system takes them for the same."""
    return unicodedata.normalize("NFC", str(path)).casefold()


class Places(Mapping[str, PurePosixPath]):
    """A path for each key, kept as text: a million path objects need three times the memory."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        self._texts = texts

    def __getitem__(self, key: str) -> PurePosixPath:
        return PurePosixPath(self._texts[key])

    def __iter__(self) -> Iterator[str]:
        return iter(self._texts)

    def __len__(self) -> int:
        return len(self._texts)


def unique(wanted: Iterable[tuple[str, PurePosixPath, str]]) -> Places:
    """A path for each key; no two share folder and stem (a caption would serve both), whatever their case.

    Takes (key, path, hint) in order: the first keeps its name, a later one gets its hint (say, the source's suffix),
    then a number.
    """
    taken: set[str] = set()
    paths: dict[str, str] = {}
    for key, path, hint in wanted:
        folder, whole, n = str(path.parent), path.stem, 1
        stem = whole
        while (folded := fold(f"{folder}/{stem}")) in taken:
            number = n if hint else n + 1
            stem = f"{whole}-{hint}" if n == 1 and hint else f"{whole}-{number}"
            n += 1
        taken.add(folded)
        paths[key] = str(path if stem == whole else path.with_name(stem + path.suffix))
    return Places(paths)


@dataclass(frozen=True, slots=True)
class FolderName:
    """What the name of a concept's folder says.

    repeats   None where the name has none, 0 where it switches the folder off (0_dog)
    words     what follows the repeats, in NFC; the whole name where it has none
    warning   for the person, where the name is not quite N_words
    """

    repeats: int | None
    words: str
    warning: str = ""

    @property
    def name(self) -> str:
        """The concept's name: its words, and of `3_` the number."""
        return self.words or f"{self.repeats}_"


def folder_name(name: str) -> FolderName:
    """Reads `N_words`, the convention of kohya's trainers. `10 dog`, is read as 10_dog, with a warning."""
    name = unicodedata.normalize("NFC", name)
    exact = _REPEATS.fullmatch(name)
    near = exact or _NEAR.fullmatch(name)
    if near is None:
        return FolderName(None, name)
    repeats, rest = int(near[1]), near[2].strip()
    if repeats > MOST_REPEATS:
        limit = f"too large for repeats ({MOST_REPEATS} at most)"
        warning = f'the number in "{name}" is {limit}: the whole name is used as words'
        return FolderName(None, name, warning)
    if exact:
        return FolderName(repeats, rest)
    warning = f'"{name}" is read as {repeats}_{rest}; call it "1_{name}" if the number belongs to its words'
    return FolderName(repeats, rest, warning)


def words(text: str) -> tuple[str, ...]:
    """The comma-separated words of a folder name, in order, without empty ones."""
    return tuple(w for w in (part.strip() for part in text.split(",")) if w)
