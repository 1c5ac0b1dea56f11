"""Written rows: what the ledger says of the pictures of a folder, packed; a million of them take 0.9 GB otherwise."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, MutableMapping

from curate.core.columns import columns
from curate.core.packed import Packed
from curate.core.written import Written

ROWS = columns(Written, {}, as_written=())
"""How rows are packed."""


class WrittenRows(MutableMapping[str, Written]):
    """Rows by path. They are made anew each time they are read, quickly if that is nearly in order.

    Those that are set later stay as they are, since they are few.
    """

    def __init__(self, rows: Iterable[Written]) -> None:
        self._rows: Packed[Written] = Packed(packing=ROWS)
        self._numbers: dict[str, int] = {}
        self._set: dict[str, Written] = {}
        self.replace(rows)

    def __getitem__(self, path: str) -> Written:
        number = self._numbers[path]
        return self._set[path] if path in self._set else self._rows[number]

    def __setitem__(self, path: str, row: Written) -> None:
        self._numbers.setdefault(path, -1)
        self._set[path] = row

    def __delitem__(self, path: str) -> None:
        del self._numbers[path]
        self._set.pop(path, None)

    def replace(self, rows: Iterable[Written]) -> None:
        """Sets many rows, which are then packed as those before."""
        for row in rows:
            self._numbers[row.path] = len(self._rows)
            self._rows.append(row)
            self._set.pop(row.path, None)

    def clear(self) -> None:
        """Drops all rows."""
        self._rows, self._numbers, self._set = Packed(packing=ROWS), {}, {}

    def __iter__(self) -> Iterator[str]:
        return iter(self._numbers)

    def __len__(self) -> int:
        return len(self._numbers)

    def __contains__(self, path: object) -> bool:
        return path in self._numbers

    def each(self) -> Iterator[Written]:
        """The rows in order."""
        is_packed = not self._set and len(self._numbers) == len(self._rows)
        return iter(self._rows) if is_packed else (self[path] for path in self)

    def by_key(self) -> WrittenByKey:
        """The same rows by the key of the record; of rows with one key the last counts."""
        return WrittenByKey(self)


class WrittenByKey:
    """Rows by the key of their record."""

    def __init__(self, rows: WrittenRows) -> None:
        self._rows = rows
        self._paths = {row.key: path for path, row in zip(rows, rows.each(), strict=True)}

    def __bool__(self) -> bool:
        return bool(self._paths)

    def get(self, key: str) -> Written | None:
        """The row of a record; None without one."""
        path = self._paths.get(key)
        return None if path is None else self._rows[path]
