"""Entry arrays: what is searched among all pictures of the index, at some 90 bytes each."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from curate.core.name_numbers import NameNumbers
from curate.review.entry import Entry
from curate.review.measures import MeasuresTable

GONE, PICTURE, CAPTIONED = range(3)
"""What `kinds` tells of the picture at a place."""
_HASHES = ("ids", "keys", "files", "times", "sizes", "states")
_COUNTS = ("revisions", "tokens", "concepts", "kinds")


class EntryArrays:
    """Numbers of pictures by their places; names are found by their hashes."""

    def __init__(self) -> None:
        self._arrays = {name: array("q") for name in _HASHES} | {name: array("i") for name in _COUNTS}
        self._numbers: dict[str, NameNumbers] = {}
        self._concepts: dict[str, int] = {}

    def __getitem__(self, name: str) -> array[int]:
        return self._arrays[name]

    def column(self, name: str) -> NDArray[Any]:
        """An array to calculate with; nothing may be appended while it is used."""
        values = self._arrays[name]
        return np.frombuffer(values, values.typecode) if values else np.empty(0, values.typecode)

    # reading ----------------------------------------------------------------------------------------------------------

    def number(self, column: str, name: str) -> int | None:
        """The last place of a picture that has a name in a column, None without one."""
        number = self._by_name(column).get(name)
        if number is None or self._arrays["kinds"][number] != GONE:
            return number
        return max(self.all(column, name), default=None)

    def all(self, column: str, name: str) -> Iterator[int]:
        """The places of the pictures that have a name in a column."""
        return (n for n in self._by_name(column).all(name) if self._arrays["kinds"][n] != GONE)

    def _by_name(self, column: str) -> NameNumbers:
        if column not in self._numbers:
            self._numbers[column] = NameNumbers(self._arrays[column])
        return self._numbers[column]

    def present(self) -> list[int]:
        """The places of the pictures that are there."""
        return np.nonzero(self.column("kinds") != GONE)[0].tolist()

    def since(self, revision: int) -> list[int]:
        """The places of those that changed after a revision."""
        return np.nonzero((self.column("revisions") > revision) & (self.column("kinds") != GONE))[0].tolist()

    def unmeasured(self, measures: MeasuresTable) -> list[int]:
        """The places of those whose file nobody measured as it is."""
        files = self.column("files")
        known = measures.known(files, self.column("times"), self.column("sizes"))
        return np.nonzero(~known & (files != hash("")) & (self.column("kinds") != GONE))[0].tolist()

    def uncounted(self, limit: int) -> list[int]:
        """The places of some whose captions' tokens nobody counted."""
        return np.nonzero((self.column("tokens") < 0) & (self.column("kinds") == CAPTIONED))[0][:limit].tolist()

    def first_captioned(self, order: Iterable[int]) -> list[int]:
        """Of each concept the place of the first picture with a caption, in an order of places."""
        places = np.fromiter(order, np.int64)
        places = places[self.column("kinds")[places] == CAPTIONED]
        _, first = np.unique(self.column("concepts")[places], return_index=True)
        return places[first].tolist()

    def complete(self, entry: Entry, number: int) -> Entry:
        """Gives a picture what the arrays hold of it."""
        arrays = self._arrays
        tokens = arrays["tokens"][number]
        entry.number, entry.tokens = number, tokens if tokens >= 0 else None
        entry.state, entry.stamp = arrays["states"][number], (arrays["times"][number], arrays["sizes"][number])
        return entry

    # changing ---------------------------------------------------------------------------------------------------------

    def append(self) -> None:
        """Makes room for one more, which is to be noted."""
        for values in self._arrays.values():
            values.append(0)
        if self._numbers:
            self._numbers = {}

    def note(self, entry: Entry) -> None:
        """Takes up a picture at its place."""
        n, arrays = entry.number, self._arrays
        names = {"ids": hash(entry.id), "keys": hash(entry.key), "files": hash(entry.file)}
        for column, value in names.items():
            if arrays[column][n] != value:
                arrays[column][n] = value
                self._numbers.pop(column, None)
        arrays["times"][n], arrays["sizes"][n] = entry.stamp
        arrays["states"][n] = entry.state
        arrays["tokens"][n] = -1 if entry.tokens is None else entry.tokens
        arrays["concepts"][n] = self._concepts.setdefault(entry.concept, len(self._concepts))
        arrays["kinds"][n] = PICTURE if entry.caption is None else CAPTIONED

    def compact(self, places: Iterable[int]) -> None:
        """Keeps the pictures at these places alone, one after the other."""
        kept, self._numbers = list(places), {}
        for name, values in self._arrays.items():
            self._arrays[name] = array(values.typecode, (values[n] for n in kept))
