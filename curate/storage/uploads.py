"""Uploads: what the ledger knows of the objects of an output: which version of each holds which content."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from curate.core.store import Store

_TABLE = """CREATE TABLE IF NOT EXISTS uploads (
    name TEXT PRIMARY KEY, version TEXT NOT NULL, digest TEXT NOT NULL, intended TEXT NOT NULL) WITHOUT ROWID"""


@dataclass(frozen=True, slots=True)
class Upload:
    """An object of ours: its `version` in the store has the content `digest`; both are empty before its first upload.

    `intended` is the digest of what was about to be uploaded: after a kill the object may hold either.
    """

    version: str
    digest: str
    intended: str = ""


class Uploads:
    """The table of uploads; what is kept survives a kill."""

    def __init__(self, store: Store) -> None:
        self._store = store
        store.write(_TABLE, [()], changes_runs=False)
        store.commit()

    def known(self) -> dict[str, Upload]:
        """All of them, by name."""
        return {name: Upload(*row) for name, *row in self._store.iterate("SELECT * FROM uploads")}

    def intend(self, name: str, digest: str) -> None:
        """Notes what is about to be uploaded."""
        sql = "INSERT INTO uploads VALUES (?, '', '', ?) ON CONFLICT (name) DO UPDATE SET intended = excluded.intended"
        self._store.write(sql, [(name, digest)])
        self._store.commit()

    def keep(self, rows: Iterable[tuple[str, str, str]]) -> None:
        """Notes which version of objects (name, version, digest) has which content."""
        self._store.write("INSERT OR REPLACE INTO uploads VALUES (?, ?, ?, '')", rows)
        self._store.commit()

    def forget(self, names: Iterable[str]) -> None:
        """Drops objects that are not there any more."""
        self._store.write("DELETE FROM uploads WHERE name = ?", [(name,) for name in names])
        self._store.commit()
