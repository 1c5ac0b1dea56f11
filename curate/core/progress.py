"""Progress: how far the records of a pass came along its chain of stages, and what became of them."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence

from curate.core.packed import Packed
from curate.core.record import Manifest, Record

_LEFT_OUT = 255


class Progress:
    """What is known of a pass: how many records need which of its stages, and the records as far as they are known.

    A record's level is the number of stages, from the first on, whose results are known. One that has not all of them
    is open: it goes through the whole chain.
    """

    def __init__(self, stages: int) -> None:
        self.known = Manifest()
        self.count = 0
        self._stages = stages
        self._at = [0] * (stages + 1)
        self._passed = [0] * stages
        self._levels = bytearray()
        self._results: Packed[tuple[Record, ...]] = Packed()
        self._order = array("q")

    def recall(self, records: Iterable[tuple[Record, int | None, Sequence[Record], Sequence[int]]]) -> None:
        """Takes each record, its level, what it became, and which stages passed it by; None where it is left out."""
        self.known = Manifest(self._recalled(records))

    def _recalled(
        self, records: Iterable[tuple[Record, int | None, Sequence[Record], Sequence[int]]]
    ) -> Iterator[Record]:
        for record, level, results, passed in records:
            if level is not None:
                self.count += 1
                self._at[level] += 1
                for stage in passed:
                    self._passed[stage] += 1
            after = results if level == self._stages else (record,)
            self._levels.extend([_LEFT_OUT if level is None else level] * len(after))
            yield from after

    def finish(self, index: int, records: Sequence[Record]) -> None:
        """What the chain made of an open record; `index` is its place among the known."""
        self._order.append(index)
        self._results.append(tuple(records))

    @property
    def is_finished(self) -> bool:
        """Whether no record is open any more."""
        return len(self._results) == self.open_count()

    def is_open(self, index: int, level: int | None = None) -> bool:
        """Whether a record needed the stage at the level, by default any of them, when the pass began."""
        return self._levels[index] <= (self._stages - 1 if level is None else level)

    def open_count(self, level: int | None = None) -> int:
        """How many records are open as `is_open` says."""
        return sum(self._at[: self._stages if level is None else level + 1])

    def fresh(self, level: int) -> int:
        """How many records need the stage at the level first."""
        return self._at[level]

    def passed(self, level: int) -> int:
        """How many records that came further have nothing to do with the stage."""
        return self._passed[level]

    def recalled(self, level: int) -> int:
        """How many records have a known result of the stage."""
        return self.count - self.open_count(level) - self._passed[level]

    def gather(self) -> Manifest:
        """The records as they are known, with what the chain made of open ones in their place."""
        if not self._order:
            return self.known
        places = array("q", [-1]) * len(self.known)
        for place, index in enumerate(self._order):
            places[index] = place
        return Manifest(
            new
            for place, record in zip(places, self.known, strict=True)
            for new in ((record,) if place < 0 else self._results[place])
        )
