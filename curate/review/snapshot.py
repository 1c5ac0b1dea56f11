"""Snapshot: which files a folder holds, by size and time, so that what a person or a program changed is seen."""

from __future__ import annotations

import os
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeGuard

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

Stamp = tuple[int, int]
"""Time of change in nanoseconds, and bytes."""
NO_FILE: Stamp = (0, 0)
"""The stamp of a picture without a file."""


def stamp_of(file: str | Path) -> Stamp:
    """Time and size of a file; NO_FILE where there is none."""
    if not file:
        return NO_FILE
    try:
        stat = os.stat(file)  # noqa: PTH116
    except OSError:
        return NO_FILE
    return stat.st_mtime_ns, stat.st_size


class Files:
    """The time and size of each file of a folder by absolute path, at 24 bytes a file: paths are kept as hashes."""

    __slots__ = ("_names", "_sizes", "_times")
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, files: Iterable[tuple[str, Stamp]] = ()) -> None:
        """The files in any order, each once."""
        names, times, sizes = array("q"), array("q"), array("q")
        for path, (time, size) in files:
            names.append(hash(path))
            times.append(time)
            sizes.append(size)
        order = np.argsort(np.frombuffer(names, np.int64)) if names else np.empty(0, np.int64)
        self._names, self._times, self._sizes = (_in_order(values, order) for values in (names, times, sizes))

    def get(self, path: str) -> Stamp | None:
        """The time and size of a file, None where it is not there."""
        value = hash(path)
        at = bisect_left(self._names, value)
        if at == len(self._names) or self._names[at] != value:
            return None
        return self._times[at], self._sizes[at]

    def __contains__(self, path: str) -> bool:
        return self.get(path) is not None

    def __eq__(self, other: object) -> bool:
        return self.has_names_of(other) and (self._times, self._sizes) == (other._times, other._sizes)

    def has_names_of(self, other: object) -> TypeGuard[Files]:
        """Whether the same files are there, changed or not."""
        return isinstance(other, Files) and self._names == other._names

    def but(self, stamps: Mapping[str, Stamp]) -> Files:
        """The same files with other times and sizes of some; one that was not there is added."""
        if any(path not in self for path in stamps):
            return self._grown(stamps)
        result = Files()
        result._names, result._times, result._sizes = self._names, self._times[:], self._sizes[:]
        for path, (time, size) in stamps.items():
            at = bisect_left(self._names, hash(path))
            result._times[at], result._sizes[at] = time, size
        return result

    def _grown(self, stamps: Mapping[str, Stamp]) -> Files:
        result = Files()
        kept = dict(zip(self._names, zip(self._times, self._sizes, strict=True), strict=True))
        kept |= {hash(path): stamp for path, stamp in stamps.items()}
        result._names = array("q", sorted(kept))
        result._times = array("q", (kept[name][0] for name in result._names))
        result._sizes = array("q", (kept[name][1] for name in result._names))
        return result


def _in_order(values: array[int], order: NDArray[np.int64]) -> array[int]:
    return array("q", np.frombuffer(values, np.int64)[order].tobytes()) if values else array("q")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The files of a folder, and the links in it that lead out of it, which nobody follows."""

    files: Files = field(default_factory=Files)
    outside: tuple[str, ...] = ()


def snapshot(folder: Path) -> Snapshot:
    """What is in a folder now; hidden files and folders are left out. Raises OSError where it cannot be read."""
    outside: list[str] = []
    files = Files(_walk(str(folder), os.path.realpath(folder), outside, ()))
    return Snapshot(files, tuple(sorted(outside)))


def _walk(place: str, root: str, outside: list[str], above: tuple[str, ...]) -> Iterator[tuple[str, Stamp]]:
    real = os.path.realpath(place)
    if real in above:
        return
    inner: list[str] = []
    with os.scandir(place) as entries:
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if entry.is_symlink() and not _is_inside(entry.path, root):
                outside.append(entry.path)
            elif os.path.isdir(entry.path) if entry.is_symlink() else entry.is_dir():  # noqa: PTH112 – of a link to itself
                inner.append(entry.path)
            else:
                try:
                    stat = entry.stat()
                except OSError:  # gone since, or a broken link
                    continue
                yield entry.path, (stat.st_mtime_ns, stat.st_size)
    for path in inner:
        try:
            yield from _walk(path, root, outside, (*above, real))
        except OSError:
            continue  # gone since, or not for us to read


def _is_inside(path: str, root: str) -> bool:
    real = os.path.realpath(path)
    return real == root or real.startswith(root.rstrip(os.sep) + os.sep)
