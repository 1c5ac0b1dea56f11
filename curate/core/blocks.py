"""Blocks: byte strings in order; what exceeds a limit goes to a file that has no name and is gone with its owner."""

from __future__ import annotations

import os
import tempfile
import threading
import weakref
from typing import IO

IN_MEMORY = 64 << 20
"""Bytes of one sequence that stay in memory: what a million plain records take packed."""
_LARGE_FILES = "/var/tmp"  # on disk, where /tmp often is memory


class Blocks:
    """Byte strings that are appended and read by number. Several threads may read, one may append."""

    def __init__(self, in_memory: int | None = None) -> None:
        self._rows: list[bytes | tuple[int, int]] = []
        self._left = IN_MEMORY if in_memory is None else in_memory
        self._file: IO[bytes] | None = None
        self._end = 0
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._rows)

    def append(self, block: bytes) -> None:
        """Adds a block at the end; it stays in memory where the disk does not take it."""
        self._rows.append(self._placed(block))

    def __setitem__(self, number: int, block: bytes) -> None:
        """Puts another block in the place of one; in the file the old one's room is lost, as others may be reading."""
        row = self._rows[number]
        if isinstance(row, bytes):
            self._left += len(row)
        self._rows[number] = self._placed(block)

    def _placed(self, block: bytes) -> bytes | tuple[int, int]:
        """What stands for a new block."""
        if self._left >= len(block) or not self._written(block):
            self._left -= len(block)
            return block
        self._end += len(block)
        return self._end - len(block), len(block)

    def __getitem__(self, number: int) -> bytes:
        row = self._rows[number]
        if isinstance(row, bytes):
            return row
        assert self._file is not None
        place, length = row
        with self._lock:
            self._file.seek(place)
            return self._file.read(length)

    def _written(self, block: bytes) -> bool:
        try:
            with self._lock:
                if self._file is None:
                    self._file = tempfile.TemporaryFile(dir=_folder(), buffering=0)  # noqa: SIM115
                    weakref.finalize(self, self._file.close)
                self._file.seek(self._end)
                return self._file.write(block) == len(block)
        except OSError:
            return False


def _folder() -> str | None:
    """Where the file goes: as the user says by TMPDIR, else on the disk."""
    said = any(os.environ.get(name) for name in ("TMPDIR", "TEMP", "TMP"))
    return _LARGE_FILES if not said and os.access(_LARGE_FILES, os.W_OK) else None
