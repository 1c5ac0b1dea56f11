"""Bulk texts: the captions that bulk edits wrote, read from beside the ledger when somebody asks for one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from curate import folder
from curate.core.packed import Packed
from curate.core.packed_mapping import PackedMapping
from curate.review.known_rows import KnownRows
from curate.review.snapshot import NO_FILE, stamp_of


class BulkEdits(Mapping[str, str]):
    """Captions by picture path, packed. After a bulk edit of all captions nobody needs them until one is read."""

    def __init__(self, root: Path, rows: KnownRows) -> None:
        """`root` is the ledger folder, `rows` are the pictures that curate wrote."""
        self._root, self._rows = root, rows
        self._texts: PackedMapping[str] = PackedMapping()
        self._state = (NO_FILE, 0)
        self._expired = True

    def expire(self) -> None:
        """Says that a bulk edit may have been made, or a picture written."""
        self._expired = True

    def _current(self) -> PackedMapping[str]:
        if self._expired:
            state = (stamp_of(self._root / folder.BULK_EDITS), self._rows.revision)
            if state != self._state:
                texts = folder.bulk_edits(self._root, self._rows.rows)
                self._texts, self._state = PackedMapping(texts, Packed(texts.values())), state
            self._expired = False
        return self._texts

    def get(self, path: str, default: Any = None) -> Any:
        """The caption that a bulk edit wrote for a picture, `default` without one."""
        return self._current().get(path, default)

    def __getitem__(self, path: str) -> str:
        return self._current()[path]

    def __iter__(self) -> Iterator[str]:
        return iter(self._current())

    def __len__(self) -> int:
        return len(self._current())
