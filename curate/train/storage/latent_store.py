"""Latents of one bucket in one memory-mapped file, found by key: one open file for thousands of pictures."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from curate.core import files
from curate.core.disk_errors import disk_errors

EACH = 64
"""Rows that are written between two indexes: what a killed run encodes anew at most."""


class LatentFile:
    """Rows of one shape, float32. Rows that no index names are those of a killed run, and are written over."""

    def __init__(self, path: Path, shape: tuple[int, ...]) -> None:
        """`path` is without suffix: NAME.f32 holds the rows, NAME.json says which key has which row."""
        self.data, self.index, self.shape = path.with_suffix(".f32"), path.with_suffix(".json"), shape
        self.size = int(np.prod(shape)) * 4
        self.rows = self._indexed()
        self.waiting: dict[str, int] = {}
        self.map: NDArray[np.float32] | None = None

    def _indexed(self) -> dict[str, int]:
        try:
            rows: dict[str, int] = json.loads(self.index.read_text(encoding="utf-8"))
            whole = self.data.stat().st_size // self.size
            return {key: row for key, row in rows.items() if row < whole}
        except (OSError, ValueError, AttributeError, TypeError):
            return {}

    def __contains__(self, key: str) -> bool:
        return key in self.rows or key in self.waiting

    def add(self, key: str, values: NDArray[np.float32]) -> None:
        """Writes a row; it is found after the next `save` at the latest."""
        row = 1 + max((*self.rows.values(), *self.waiting.values()), default=-1)
        with disk_errors(str(self.data)):
            self.data.parent.mkdir(parents=True, exist_ok=True)
            with self.data.open("r+b" if self.data.exists() else "wb") as file:
                file.seek(row * self.size)
                file.write(np.ascontiguousarray(values, np.float32).tobytes())
        self.waiting[key] = row
        if len(self.waiting) >= EACH:
            self.save()

    def save(self) -> None:
        """Makes what was added known for good: the rows are on the disk before the index names them."""
        if not self.waiting:
            return
        with disk_errors(str(self.data)), self.data.open("rb+") as file:
            os.fsync(file.fileno())
        self.rows |= self.waiting
        self.waiting, self.map = {}, None
        files.write_text(self.index, json.dumps(self.rows))

    def read(self, key: str) -> NDArray[np.float32]:
        """A row, mapped and not to be written to. Raises KeyError."""
        self.save()
        if self.map is None:
            count = self.data.stat().st_size // self.size
            self.map = np.memmap(self.data, np.float32, "r", shape=(count, *self.shape))
        return self.map[self.rows[key]]
