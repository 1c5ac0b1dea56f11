"""Written rows: what the ledger says of the pictures of a folder, packed; a million of them take 0.9 GB otherwise."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from curate.core.columns import columns
from curate.core.packed import Packed
from curate.core.store import Written

ROWS = columns(Written, {}, as_written=())
"""How rows are packed."""


class WrittenRows(Mapping[str, Written]):
    """Rows by path. They are made anew each time they are read, quickly if that is nearly in order."""

    def __init__(self, rows: Iterable[Written]) -> None:
        self._rows: Packed[Written] = Packed(packing=ROWS)
        self._numbers: dict[str, int] = {}
        for row in rows:
            self._numbers[row.path] = len(self._rows)
            self._rows.append(row)

    def __getitem__(self, path: str) -> Written:
        return self._rows[self._numbers[path]]

    def __iter__(self) -> Iterator[str]:
        return iter(self._numbers)

    def __len__(self) -> int:
        return len(self._numbers)

    def each(self) -> Iterator[Written]:
        """The rows in order."""
        return iter(self._rows)

    def by_key(self) -> WrittenByKey:
        """The same rows by the key of the record; of rows with one key the last counts."""
        return WrittenByKey(self._rows)


class WrittenByKey:
    """Rows by the key of their record."""

    def __init__(self, rows: Packed[Written]) -> None:
        self._rows = rows
        self._numbers = {row.key: number for number, row in enumerate(rows)}

    def __bool__(self) -> bool:
        return bool(self._numbers)

    def get(self, key: str) -> Written | None:
        """The row of a record; None without one."""
        number = self._numbers.get(key)
        return None if number is None else self._rows[number]
