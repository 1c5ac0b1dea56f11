"""Matches: which records are alike, by number while they are searched for, and noted as facts at the end."""

from __future__ import annotations

from array import array
from collections.abc import Iterator

import numpy as np

from curate.core.record import Manifest, Record
from curate.images.duplicates.grouping import FACT, LEADS, Match
from curate.images.duplicates.pairs import Indexes


class Matches:
    """Pairs of records that are alike, as numbers of the manifest: 32 bytes a pair."""

    def __init__(self) -> None:
        self._ones, self._others = array("q"), array("q")
        self._values = array("d")
        self._leaders: set[int] = set()

    def add(self, one: int, other: int, match: Match = (1.0, 1.0), *, leads: bool = False) -> None:
        """Notes that `other` is alike to `one`, which may lead a crowd."""
        self._ones.append(one)
        self._others.append(other)
        self._values.extend(match)
        if leads:
            self._leaders.add(one)

    def noted(self, manifest: Manifest) -> Manifest:
        """The records with the facts; the manifest itself where no two are alike."""
        if not self._ones:
            return manifest
        ones, others = np.array(self._ones), np.array(self._others)
        order = np.argsort(ones, kind="stable")
        keys = self._keys(manifest, np.unique(others))
        return Manifest(self._each(manifest, order, ones[order], keys), unique=True)

    @staticmethod
    def _keys(manifest: Manifest, numbers: Indexes) -> dict[int, str]:
        wanted = np.zeros(len(manifest), np.bool_)
        wanted[numbers] = True
        return {number: record.key for number, record in enumerate(manifest) if wanted[number]}

    def _each(self, manifest: Manifest, order: Indexes, ones: Indexes, keys: dict[int, str]) -> Iterator[Record]:
        place = 0
        for number, record in enumerate(manifest):
            alike: dict[str, Match] = {}
            while place < len(ones) and ones[place] == number:
                which = int(order[place])
                alike[keys[self._others[which]]] = (self._values[2 * which], self._values[2 * which + 1])
                place += 1
            facts = {FACT: alike, **({LEADS: True} if number in self._leaders else {})}
            yield record.noting(**facts) if alike else record
