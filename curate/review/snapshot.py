"""Snapshot: which files a folder holds, by size and time, so that what a person or a program changed is seen."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

Stamp = tuple[int, int]
"""Time of change in nanoseconds, and bytes."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The files of a folder by absolute path, and the links in it that lead out of it, which nobody follows."""

    files: Mapping[str, Stamp]
    outside: tuple[str, ...]


def snapshot(folder: Path) -> Snapshot:
    """What is in a folder now; hidden files and folders are left out. Raises OSError where it cannot be read."""
    outside: list[str] = []
    files = dict(_walk(str(folder), os.path.realpath(folder), outside, ()))
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
