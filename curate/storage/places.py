"""Places: what a name in a store or in an archive is on this disk, and which names have no place there."""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from curate import captions, images
from curate.core.files import prune_empty
from curate.errors import MissingError

ROOM = 64 << 20
"""Bytes that stay free on the disk."""
_LONGEST = 255
"""Bytes of a file's name."""
_SEPARATORS = ("\\", ":") if os.name == "nt" else ()


@dataclass(frozen=True, slots=True)
class Unread:
    """A picture or caption of the input `root` that could not be read, by its path there, and why.

    `archive` is the path of the archive that it is in, "" where it lies by itself.
    """

    root: Path
    name: str
    reason: str
    archive: str = ""


def refusal(name: str) -> str:
    """Why a name in a store or an archive is not taken; "" where it is."""
    parts = name.split("/")
    if name.startswith("/") or any(part in ("", ".", "..") for part in parts):
        return f'its name, "{name}", is no path below its folder'
    if any(len(part.encode("utf-8", "surrogateescape")) > _LONGEST for part in parts):
        return "its name is longer than that of a file may be"
    if "\0" in name or any(mark in name for mark in _SEPARATORS):
        return "its name holds characters that no file may have"
    return ""


def ignores_case(folder: Path) -> bool:
    """Whether the disk takes `A.png` for `a.png`."""
    return any(p.name != p.name.swapcase() and p.with_name(p.name.swapcase()).exists() for p in (folder, folder.parent))


def is_wanted(name: str) -> bool:
    """Whether a name may be a picture, a caption or a mask."""
    suffix = os.path.splitext(name)[1].lower()  # noqa: PTH122 – of many thousands of names
    return suffix in images.SUFFIXES or suffix in captions.EXTENSIONS or not suffix


def is_picture(name: str) -> bool:
    """Whether a name is a picture's, by its suffix."""
    return os.path.splitext(name)[1].lower() in images.SUFFIXES  # noqa: PTH122


def is_hidden(name: str) -> bool:
    """Whether a file, or a folder that it is in, is hidden."""
    return any(part.startswith(".") for part in name.split("/"))


def files_below(root: Path) -> Iterator[str]:
    """The files below a folder, relative to it, in POSIX form."""
    for place, folders, names in os.walk(root):
        folders.sort()
        above = Path(place).relative_to(root).as_posix()
        for name in sorted(names):
            yield name if above == "." else f"{above}/{name}"


def remove_others(root: Path, kept: Collection[str]) -> None:
    """Removes the files below `root` that are none of those kept, and folders that become empty."""
    for name in [name for name in files_below(root) if name not in kept]:
        (root / name).unlink(missing_ok=True)
        prune_empty((root / name).parent, root)


def require_room(folder: Path, size: int, what: str) -> None:
    """Raises MissingError where the disk of `folder` has no room for so many bytes."""
    free = shutil.disk_usage(next(p for p in (folder, *folder.parents) if p.exists())).free
    if size + ROOM > free:
        raise MissingError(
            f"{what} takes {size / 1e9:.1f} GB on this disk, and {folder} has {free / 1e9:.1f} GB left",
            "free some space, or write `run: {work: FOLDER}` with a folder on a larger disk",
        )
