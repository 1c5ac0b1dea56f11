"""Known rows: the pictures that curate wrote, each with what the page needs of its record and no more, packed."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from curate.core.columns import columns
from curate.core.packed import Packed
from curate.core.packed_mapping import PackedMapping
from curate.core.record import Image, Record, typed
from curate.core.user_changes import MOVED_FROM
from curate.core.written import Written
from curate.folder.transform_stage import TRANSFORMED

PLAIN = 1 << 14
"""So many pictures are held as they are, at 6 kB each in all; those beyond are packed, which takes time at each use."""
_FIELDS = ("trigger", "scores", "style")
_FACTS = (TRANSFORMED, MOVED_FROM)
_NONE: Mapping[str, Any] = {}
_ROWS = columns(Written, {}, as_written=())
_RECORDS = columns(Record, {"image": Image}, as_written=["facts"])


class KnownRows:
    """The rows of a ledger by path, without their stored records, and these records. A folder may hold a million.

    Of each row a hash says quickly whether it is as it was. What a read leaves as it was is not packed anew.
    """

    def __init__(self) -> None:
        self.rows: PackedMapping[Written] = PackedMapping()
        self.records: PackedMapping[Record] = PackedMapping()
        self.revision = 0
        self._hashes = array("q")
        self._paths = array("q")

    def state(self, path: str) -> int:
        """What changes whenever the row of a path does; 0 without a row."""
        number = self.rows.number(path)
        return 0 if number is None else self._hashes[number]

    def read(self, rows: Iterable[Written]) -> None:
        """Takes up the rows as they are now."""
        paths, states, places = array("q"), array("q"), array("i")
        new_rows: Packed[Written] = Packed(packing=_ROWS, plain=PLAIN)
        new_records: Packed[Record] = Packed(packing=_RECORDS, plain=PLAIN)
        for row in rows:
            value, before = hash(row), self.rows.number(row.path) if self._hashes else None
            paths.append(hash(row.path))
            states.append(value)
            if before is not None and self._hashes[before] == value:
                places.append(before)
                continue
            new_rows.append(_without_record(row))
            new_records.append(_record(row))
            places.append(-len(new_rows))
        self.revision += states != self._hashes or paths != self._paths
        if paths == self._paths:
            changed = [n for n, place in enumerate(places) if place < 0]
            self.rows.replace(dict(zip(changed, new_rows, strict=True)))
            self.records.replace(dict(zip(changed, new_records, strict=True)))
        else:
            if len(new_rows) < len(paths):
                new_rows = Packed(_merged(places, self.rows, new_rows), _ROWS, PLAIN)
                new_records = Packed(_merged(places, self.records, new_records), _RECORDS, PLAIN)
            self.rows = PackedMapping((row.path for row in new_rows), new_rows)
            self.records = self.rows.with_values(new_records)
        self._hashes, self._paths = states, paths


def _merged(places: Iterable[int], old: PackedMapping[Any], new: Packed[Any]) -> Iterator[Any]:
    """What stands at a place of the old ones, or counted from -1 downwards of the new ones."""
    return (old.at(place) if place >= 0 else new[-1 - place] for place in places)


def _without_record(row: Written) -> Written:
    return Written(
        row.path, row.key, row.origin, row.digest, row.size, row.mtime, row.caption_path, row.caption, stored=""
    )  # fmt: skip


def _record(row: Written) -> Record:
    """The record without what the page never shows."""
    plain = row.record
    image, facts = plain.get("image", _NONE), plain.get("facts", _NONE)
    shown = typed({name: plain[name] for name in _FIELDS if name in plain})
    return Record(
        row.key,
        plain.get("concept", ""),
        row.origin,
        Image("", "", image.get("width", 0), image.get("height", 0)),
        facts={name: facts[name] for name in _FACTS if name in facts} or _NONE,
        **shown,
    )
