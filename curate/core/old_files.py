"""Old files: those that were replaced keep a second name until somebody has time to free them."""

from __future__ import annotations

import contextlib
import itertools
import os
import secrets
import shutil
import threading
from pathlib import Path

ROOM = 1 << 30
"""Bytes that are to stay free on the disk."""
_EVERY = 256
"""So many files are kept between two looks at the disk."""


class OldFiles:
    """Files that were replaced. Nobody reads them: they may be freed at any moment, also by another process.

    A disk may take its time to free a file. With 10,000 captions, ext4 without a journal, mounted with `discard`,
    took 6 to 13 s to replace them and 1 s where the old ones kept a second name.
    """

    def __init__(self, root: Path) -> None:
        """`root` is the ledger folder."""
        self._root, self._place, self._has_room = root, str(root / "replaced"), False
        self._start, self._numbers = os.path.join(self._place, secrets.token_hex(4)), itertools.count()  # noqa: PTH118

    def keep(self, path: str) -> None:
        """Gives a small file that is about to be replaced a second name.

        Does nothing where there is no file, on a disk that is nearly full, and where files have one name only.
        """
        number = next(self._numbers)
        name = f"{self._start}-{number}"
        with contextlib.suppress(OSError, NotImplementedError):
            if number % _EVERY == 0:
                self._has_room = shutil.disk_usage(self._root).free > ROOM
            if not self._has_room:
                return
            try:
                os.link(path, name, follow_symlinks=False)
            except FileNotFoundError:
                os.makedirs(self._place, exist_ok=True)  # noqa: PTH103
                os.link(path, name, follow_symlinks=False)

    def free(self, stopping: threading.Event | None = None) -> None:
        """Removes the second names, those that a killed process left too, until there is none or it shall stop."""
        with contextlib.suppress(OSError):
            for name in os.listdir(self._place):  # noqa: PTH208
                if stopping is not None and stopping.is_set():
                    return
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(os.path.join(self._place, name))  # noqa: PTH108, PTH118
            os.rmdir(self._place)  # noqa: PTH106
