"""Foreign pictures in a prepared folder: a trainer would train them all the same."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from curate.core.events import Listener, Note
from curate.core.store import Store
from curate.folder.listing import pictures
from curate.images import masks
from curate.names import folder_name

_APART = frozenset({"lora", "samples", masks.FOLDER})
"""What training writes, and masks."""


def report_foreign_pictures(folder: Path, store: Store, tell: Listener) -> list[str]:
    """Tells of each picture that the ledger does not know; those in `N_name` folders are trained."""
    ours = {*store.written_paths(), *store.side_files("mask")}
    foreign = [path for path in pictures(folder) if path not in ours and path.partition("/")[0] not in _APART]
    for path in foreign:
        place = PurePosixPath(path).parts[0]
        if folder_name(place).repeats:
            message = "not made by curate, but training uses it: move it out of the folder, or put it into the input"
        else:
            message = "not made by curate, and not trained"
        tell(Note("warning", message, key=path))
    return foreign
