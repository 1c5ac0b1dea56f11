"""Entries: the pictures of the index and their rows, packed, with arrays of what is searched among all of them."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from typing import Any

from curate.core.packed import Packed, Packing
from curate.review.entry import ENTRIES, Entry
from curate.review.entry_arrays import GONE, EntryArrays
from curate.review.known_rows import PLAIN
from curate.review.measures import MeasuresTable
from curate.review.snapshot import Stamp
from curate.review.tag_counts import TagCounts

_JSON = json.JSONEncoder(separators=(",", ":"))
_ROWS = Packing[str](
    lambda rows: zlib.compress("\n".join(rows).encode(), 1), lambda packed: zlib.decompress(packed).decode().split("\n")
)
"""How rows are packed: as lines, since JSON has no line ends in it."""
_ROWS_AT_ONCE = 1024
_CAPTION = ',"tags":['
"""Where in a row begins what is said of the caption."""


class Entries:
    """Pictures by id. Each is made anew when it is read, quickly if that is nearly in order.

    A picture keeps its number until it goes. Its row gets a new revision whenever it is another.
    """

    def __init__(self) -> None:
        self.revision = 0
        self.counts = TagCounts()
        self._removed: dict[str, int] = {}
        self._packed: Packed[Entry] = Packed(packing=ENTRIES, plain=PLAIN)
        self._rows: Packed[str] = Packed(packing=_ROWS, plain=PLAIN)
        self._arrays = EntryArrays()

    def __iter__(self) -> Iterator[str]:
        return (entry.id for entry in self.values())

    def __contains__(self, id: str) -> bool:
        return self._arrays.number("ids", id) is not None

    def __len__(self) -> int:
        return len(self._arrays.present())

    # reading ----------------------------------------------------------------------------------------------------------

    def get(self, id: str) -> Entry | None:
        """The picture of that id, None without one."""
        number = self._arrays.number("ids", id)
        return None if number is None else self.at(number)

    def among(self, ids: Iterable[str]) -> dict[str, Entry]:
        """The pictures of these ids that are there: all of a block at once, since the page has another order."""
        places = sorted((number, id) for id in ids if (number := self._arrays.number("ids", id)) is not None)
        return {id: self.at(number) for number, id in places}

    def number(self, id: str) -> int:
        """The place of the picture of that id, -1 without one."""
        number = self._arrays.number("ids", id)
        return -1 if number is None else number

    def state(self, number: int) -> int:
        """The state of the picture at a place."""
        return self._arrays["states"][number]

    def at(self, number: int) -> Entry:
        """The picture at a place."""
        return self._arrays.complete(self._packed[number], number)

    def row(self, number: int) -> str:
        """The row of the picture at a place, as JSON."""
        return self._rows[number]

    def values(self) -> Iterator[Entry]:
        """The pictures, one by one."""
        kinds = self._arrays["kinds"]
        return (self._arrays.complete(one, n) for n, one in enumerate(self._packed) if kinds[n] != GONE)

    def rows(self) -> Iterator[list[str]]:
        """The rows, some at a time, those that are there now; they may change meanwhile."""
        kinds, start, some = self._arrays["kinds"][:], 0, list[str]()
        for block in self._rows.blocks():
            own = kinds[start : start + len(block)]
            some += block if GONE not in own else [r for r, k in zip(block, own, strict=False) if k != GONE]
            start += len(block)
            if len(some) >= _ROWS_AT_ONCE:
                yield some
                some = []
        yield some

    def since(self, revision: int) -> tuple[list[str], list[str]]:
        """The rows that changed after a revision, and the ids of the pictures that went."""
        removed = [id for id, when in self._removed.items() if when > revision]
        return [self._rows[number] for number in self._arrays.since(revision)], removed

    def id_of_key(self, key: str) -> str | None:
        """The id of the picture with a key, None without one."""
        number = self._arrays.number("keys", key)
        return None if number is None else self.at(number).id

    def key_hashes(self, places: Iterable[int]) -> set[int]:
        """The hashes of the keys of the pictures at these places."""
        keys = self._arrays["keys"]
        return {keys[number] for number in places}

    def of_file(self, file: str) -> list[int]:
        """The places of the pictures that a file shows."""
        return list(self._arrays.all("files", file)) if file else []

    def stamp(self, number: int) -> Stamp:
        """Time and size of the file of the picture at a place."""
        return self._arrays["times"][number], self._arrays["sizes"][number]

    def unmeasured(self, measures: MeasuresTable) -> list[int]:
        """The places of the pictures whose file nobody measured as it is."""
        return self._arrays.unmeasured(measures)

    def uncounted(self, limit: int) -> list[Entry]:
        """Some of the pictures whose captions' tokens nobody counted."""
        return [self.at(number) for number in self._arrays.uncounted(limit)]

    def first_captioned(self, order: Iterable[int]) -> list[Entry]:
        """Of each concept the first picture with a caption, in an order of places."""
        return [self.at(number) for number in self._arrays.first_captioned(order)]

    # changing ---------------------------------------------------------------------------------------------------------

    def put(self, changed: Sequence[tuple[Entry, dict[str, Any]]]) -> None:
        """Takes up pictures, each with its row as JSON-able values; those without a number are new."""
        rows: dict[int, str] = {}
        old = {entry.number: entry for entry, _ in changed if entry.number >= 0}
        for entry, row in changed:
            text = _JSON.encode(row)
            if entry.number < 0:
                self._append(entry, text)
            elif (before := self._rows[entry.number]) != text:
                self._take(before)
                rows[entry.number] = text
            else:
                continue
            self.counts.add(row["concept"], row["tags"])
            self._revise(entry.number)
        self._rows.replace(rows)
        self._packed.replace(old)
        for entry, _ in changed:
            self._arrays.note(entry)

    def recaption(self, changed: Sequence[tuple[Entry, Mapping[str, Any]]]) -> None:
        """Takes up pictures that have another caption and are else as they were, each with what its row says of it.

        That stands at the end of a row, so that most of the row need not be read.
        """
        rows: dict[int, str] = {}
        for entry, values in changed:
            before = self._rows[entry.number]
            place = before.index(_CAPTION)  # no text in JSON has this in it, as its quotes have a backslash before them
            after = f"{before[:place]},{_JSON.encode({**values, 'tokens': None})[1:]}"
            if after != before:
                old = json.loads(before[place + len(_CAPTION) - 1 : before.index("]", place) + 1])
                self.counts.change(entry.concept, old, values["tags"])
                rows[entry.number] = after
                self._revise(entry.number)
        self._rows.replace(rows)
        self._packed.replace({entry.number: entry for entry, _ in changed})
        for entry, _ in changed:
            self._arrays["states"][entry.number] = entry.state
            self._arrays["tokens"][entry.number] = -1

    def update(self, values: Mapping[int, Mapping[str, Any]]) -> None:
        """Puts other values into the rows of the pictures at some places."""
        rows: dict[int, str] = {}
        for number in sorted(values):
            before, new = json.loads(self._rows[number]), values[number]
            row = before | new
            if row == before:
                continue
            if "tags" in new:
                self.counts.change(row["concept"], before["tags"], row["tags"])
            if "tokens" in new:
                self._arrays["tokens"][number] = -1 if new["tokens"] is None else new["tokens"]
            rows[number] = _JSON.encode(row)
            self._revise(number)
        self._rows.replace(rows)

    def _revise(self, number: int) -> None:
        self.revision += 1
        self._arrays["revisions"][number] = self.revision

    def keep(self, numbers: Set[int]) -> None:
        """Drops all pictures but those at these places."""
        for number in [n for n in self._arrays.present() if n not in numbers]:
            self.revision += 1
            self._removed[self.at(number).id] = self.revision
            self._take(self._rows[number])
            self._arrays["kinds"][number] = GONE

    def compact(self) -> None:
        """Gives pictures other places where most places are of pictures that went."""
        packed, rows, places = self._packed, self._rows, self._arrays.present()
        if len(packed) - len(places) <= len(packed) // 2 + 1000:
            return
        self._packed = Packed((packed[n] for n in places), ENTRIES, PLAIN)
        self._rows = Packed((rows[n] for n in places), _ROWS, PLAIN)
        self._arrays.compact(places)

    def _append(self, entry: Entry, row: str) -> None:
        entry.number = len(self._packed)
        self._packed.append(entry)
        self._rows.append(row)
        self._arrays.append()
        self._removed.pop(entry.id, None)

    def _take(self, row: str) -> None:
        values = json.loads(row)
        self.counts.take(values["concept"], values["tags"])
