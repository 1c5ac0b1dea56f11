"""Sorting: records by key, a million of them too, without holding them all unpacked."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from itertools import islice, pairwise
from operator import attrgetter

from curate.core.record import Manifest, Record

_TOGETHER = 10_000
"""Records that are sorted in memory: 8 to 20 MB of them."""


def sorted_by_key(manifest: Manifest, together: int = _TOGETHER) -> Manifest:
    """The records in order of their keys; so many `together` are sorted in memory."""
    by_key = attrgetter("key")
    if all(one.key <= other.key for one, other in pairwise(manifest)):
        return manifest
    parts = [Manifest(sorted(part, key=by_key), unique=True) for part in _parts(manifest, together)]
    return Manifest(heapq.merge(*parts, key=by_key), unique=True)


def _parts(records: Iterable[Record], together: int) -> Iterator[list[Record]]:
    each = iter(records)
    while part := list(islice(each, together)):
        yield part
