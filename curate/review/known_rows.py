"""Known rows: the pictures that curate wrote, each with what the page needs of its record and no more."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

from curate.core.record import Image, Record, from_plain
from curate.core.store import Written
from curate.core.user_changes import MOVED_FROM
from curate.folder.transform_stage import TRANSFORMED

_FACTS = (TRANSFORMED, MOVED_FROM)
_NONE: Mapping[str, Any] = {}


class KnownRows:
    """The rows of a ledger by path, without their stored records, and these records. A folder may hold many thousands.

    What a row before said stays the same object, so that one can tell quickly which pictures changed.
    """

    def __init__(self) -> None:
        self.rows: Mapping[str, Written] = {}
        self.records: Mapping[str, Record] = {}
        self._hashes: Mapping[str, int] = {}
        self._shared: dict[Any, Any] = {}

    def read(self, rows: Iterable[Written]) -> None:
        """Takes up the rows as they are now."""
        new: dict[str, Written] = {}
        records: dict[str, Record] = {}
        hashes: dict[str, int] = {}
        for row in rows:
            path, value = row.path, hash(row)
            if self._hashes.get(path) == value:
                path = self.rows[path].path
                new[path], records[path] = self.rows[path], self.records[path]
            else:
                new[path], records[path] = dataclasses.replace(row, stored=""), self._record(row)
            hashes[path] = value
        self.rows, self.records, self._hashes = new, records, hashes

    def _record(self, row: Written) -> Record:
        """The record without what the page never shows; most of the rest is the same for all pictures of a folder."""
        whole = from_plain(row.record)
        return Record(
            row.key,
            self._same(whole.concept),
            row.origin,
            Image("", "", whole.image.width, whole.image.height),
            facts={name: whole.facts[name] for name in _FACTS if name in whole.facts} or _NONE,
            trigger=self._same(whole.trigger),
            scores=whole.scores,
            style=self._same(whole.style),
        )

    def _same(self, value: Any) -> Any:
        return self._shared.setdefault(value, value)
