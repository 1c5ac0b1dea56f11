"""New files: files of the ledger folder that wait for the disk under temporary names, and get their own names then.

No file ever has its own name before its content is on the disk: neither a kill nor a power cut leaves half a file
under it. A power cut may take the name back, as it may for any rename that no flush of the folder followed. Whoever
recalls a result asks whether its files are there (`Stage.files_exist`).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from curate.core.disk_errors import disk_errors
from curate.core.file_batch import side_by_side
from curate.core.files import fill_temporary, flush_file, remove_temporary, start_flush


@dataclass(frozen=True, slots=True)
class NewFile:
    """A whole file under a temporary name, beside the path it is to have."""

    temporary: str
    path: str

    def keep(self, *, sync: bool = True) -> None:
        """Gives it its name, once its content is on the disk; without `sync` at once.

        Raises a CurateError naming the file where the disk refuses, and removes it then.
        """
        try:
            with disk_errors(self.path):
                if sync:
                    flush_file(self.temporary)
                os.replace(self.temporary, self.path)  # noqa: PTH105
        except BaseException:
            self.discard()
            raise

    def discard(self) -> None:
        """Removes it, unless it has its name."""
        remove_temporary(self.temporary)


def new_file(path: Path, write: Callable[[Path], object]) -> NewFile:
    """The file that `write` fills. Raises a CurateError naming it where the disk refuses, and what `write` raises."""
    with disk_errors(str(path)):
        temporary = fill_temporary(path, write)
    start_flush(temporary)
    return NewFile(temporary, str(path))


def keep_all(files: Sequence[NewFile]) -> None:
    """Gives several files their names, as `keep` does, waiting for some of them at once."""
    try:
        side_by_side(NewFile.keep, files)
    except BaseException:
        discard_all(files)
        raise


def discard_all(files: Sequence[NewFile]) -> None:
    """Removes those that have no name of their own yet."""
    for file in files:
        file.discard()
