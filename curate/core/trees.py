"""Trees: whether anything in a folder changed, by the names, sizes and times of its files: none of them is read."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Collection
from pathlib import Path

from curate.errors import interruption

LeaveOut = Callable[[str, str], bool]
"""Says of a folder and a name in it that this does not count."""

_BETWEEN_QUESTIONS = 20_000
"""Files between two questions whether to stop: a tenth of a second."""


class TreeDigest:
    """A digest of files and folders as they are on disk. Five microseconds a file, and no memory.

    It is a sum of digests, so the order in which a disk lists its files does not matter. `newest` is the latest time at
    which any file changed, in nanoseconds: one that is too young could change again unseen (see `CLOCK_GRAIN`).
    """

    def __init__(self, stopping: Callable[[], bool] = lambda: False) -> None:
        """`stopping` is asked now and then: the walk then ends in Interrupted."""
        self._stopping = stopping
        self._sum = self._files = self.newest = 0

    def hex(self) -> str:
        """The digest of everything that was added: 128 bits, and how many files they are of."""
        return f"{self._sum % (1 << 128):032x}-{self._files}"

    def add_file(self, path: Path) -> None:
        """A file, or a folder without what is in it; one that is not there counts as such."""
        self._add(str(path), str(path))

    def add_tree(
        self,
        top: Path,
        leave_out: LeaveOut | None = None,
        skip: Collection[Path] = (),
        visit: Callable[[str], None] | None = None,
    ) -> None:
        """Everything under a folder but what is in the folders `skip`; links to folders are followed, loops are not.

        `visit` is told of each folder.
        """
        hidden = frozenset(one for path in skip if (one := _identity(str(path))))
        self._walk(str(top), leave_out or _counts, hidden, visit or _unseen)

    def _walk(
        self, folder: str, leave_out: LeaveOut, above: frozenset[tuple[int, int]], visit: Callable[[str], None]
    ) -> None:
        identity = _identity(folder)
        if identity is None or identity in above:
            self._put(f"{folder}\0not entered")
            return
        visit(folder)
        folders: list[str] = []
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    if leave_out(folder, entry.name):
                        continue
                    if os.path.isdir(entry.path) if entry.is_symlink() else entry.is_dir():  # noqa: PTH112 – of a link to itself
                        self._put(f"{entry.path}\0folder")
                        folders.append(entry.path)
                    else:
                        self._add(entry.path, entry)
        except OSError as error:
            self._put(f"{folder}\0{error.errno}")
        for one in folders:
            self._walk(one, leave_out, above | {identity}, visit)

    def _add(self, path: str, file: str | os.DirEntry[str]) -> None:
        try:
            # what Windows lists of a file may be older than the file
            listed = not isinstance(file, str) and os.name != "nt"
            stat = file.stat() if listed and not isinstance(file, str) else os.stat(path)  # noqa: PTH116
        except OSError as error:
            self._put(f"{path}\0{error.errno}")
            return
        self.newest = max(self.newest, stat.st_mtime_ns, stat.st_ctime_ns)
        self._put(f"{path}\0{stat.st_mode} {stat.st_size} {stat.st_mtime_ns} {stat.st_ctime_ns} {stat.st_ino}")

    def _put(self, text: str) -> None:
        data = text.encode("utf-8", "surrogateescape" if os.name != "nt" else "surrogatepass")
        self._sum += int.from_bytes(hashlib.blake2b(data, digest_size=16).digest(), "little")
        self._files += 1
        if not self._files % _BETWEEN_QUESTIONS and self._stopping():
            raise interruption()


def _identity(folder: str) -> tuple[int, int] | None:
    try:
        stat = os.stat(folder)  # noqa: PTH116
    except OSError:
        return None
    return stat.st_dev, stat.st_ino


def _counts(_folder: str, _name: str) -> bool:
    return False


def _unseen(_folder: str) -> None:
    """Hears nothing."""
