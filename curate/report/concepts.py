"""Concepts: the records of a report by concept, packed as in a manifest, since there may be a million."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from curate.core.packed import Packed
from curate.core.record import PACKING, Manifest, Record


def by_concept(records: Iterable[Record]) -> list[tuple[str, Sequence[Record]]]:
    """The records of each concept, in order of name."""
    if isinstance(records, Manifest) and len(records.concepts) == 1:
        return [(next(iter(records.concepts)), records)]
    groups: dict[str, Packed[Record]] = {}
    for record in records:
        groups.setdefault(record.concept, Packed(packing=PACKING)).append(record)
    return sorted(groups.items(), key=lambda group: group[0])
