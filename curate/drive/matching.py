"""Matching: which record a caption edited by hand belongs to."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import PurePosixPath

from curate.core.record import Manifest, Record


def with_edits(manifest: Manifest, edits: Mapping[tuple[str, str], str]) -> Manifest:
    """The records with the captions a person edited: by picture, whatever its name is now.

    Where several pictures have the same bytes, the record's key tells them apart; where their keys changed too, the
    edits left over go to the records left over, equal file names first, then in order.
    """
    loose: dict[str, list[str]] = {}
    for origin, key in sorted(edits):
        loose.setdefault(origin, []).append(key)
    texts: dict[str, str] = {}
    rest: dict[str, list[Record]] = {}
    for record in manifest:
        keys = loose.get(record.origin, [])
        if record.key in keys:
            texts[record.key] = edits[record.origin, record.key]
            keys.remove(record.key)
        elif keys or record.origin in loose:
            rest.setdefault(record.origin, []).append(record)
    for origin, records in rest.items():
        keys = loose[origin]
        for by_name in (True, False):
            for record in records:
                same = [k for k in keys if not by_name or PurePosixPath(k).name == PurePosixPath(record.key).name]
                if same and record.key not in texts:
                    texts[record.key] = edits[origin, same[0]]
                    keys.remove(same[0])

    def edit(record: Record) -> Record:
        return dataclasses.replace(record, edited=texts[record.key]) if record.key in texts else record

    return Manifest(map(edit, manifest))
