"""Listing: the files and the pictures of a prepared folder; those of the ledger are left out."""

from __future__ import annotations

import os
from pathlib import Path

from curate import images
from curate.core.files import inside
from curate.core.store import LEDGER


def pictures(folder: Path) -> list[str]:
    """The paths of all picture files in a prepared folder, whoever put them there."""
    return [path for path in files(folder) if images.may_be_picture(f"{folder}/{path}")]


def files(folder: Path) -> list[str]:
    """The paths of all files but those of the ledger, sorted."""
    paths: list[str] = []
    relative = inside(folder)
    for place, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".") and name != LEDGER]
        start = "" if place == str(folder) else f"{relative(place)}/"
        paths += [start + name for name in names]
    return sorted(paths)
