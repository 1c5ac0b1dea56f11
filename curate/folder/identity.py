"""Identity: which source picture is the one that a person's word, or a written file, belongs to.

A word belongs to the bytes of the source file. Where they are gone (the picture was cropped, retouched, saved as other
type), it goes to a new picture of the same name in the same concept, else to one that looks the same.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import PurePosixPath

from curate.core.person import Identity
from curate.core.record import Record

_PART = re.compile(r"(?:#\d+)+$")

Alike = Callable[[Sequence[Identity], Sequence[Record]], Mapping[Identity, Record]]
"""Says which of the pictures that are gone look like which of the new ones."""


def source_key(key: str) -> str:
    """The key of the source that a frame or part (`#n`) comes from."""
    return _PART.sub("", key)


def assign(
    words: Iterable[Identity],
    before: Iterable[Identity],
    written: Iterable[Identity],
    records: Sequence[Record],
    alike: Alike,
) -> dict[Identity, Identity]:
    """The identities that are others now, old to new.

    `words` are those of edits and removals, `before` the sources of the last whole run, `written` files in the folder;
    all may name parts of a picture, which follow their source. A picture that only a killed run wrote is still a new
    one.
    """
    by_source: dict[Identity, list[Identity]] = {}
    words, before = list(words), list(before)
    for identity in (*words, *before, *written):
        parts = by_source.setdefault((identity[0], source_key(identity[1])), [])
        if identity not in parts:
            parts.append(identity)
    worded = {(origin, source_key(key)) for origin, key in words}
    old = worded | {(origin, source_key(key)) for origin, key in before}
    order = sorted(by_source, key=lambda one: (one not in worded, one))
    sources = _by_origin(order, records)
    taken = {r.key for one, r in sources.items() if one in old}
    origins = {origin for origin, _ in old}
    fresh = [r for r in records if r.origin and r.origin not in origins and r.key not in taken]
    present = {r.origin for r in records}
    gone = [one for one in order if one not in sources and one[0] not in present]
    for match in (_by_key, _by_stem, alike):
        asked = gone if match is not alike else [one for one in gone if one in worded]
        if asked and fresh:
            matched = match(asked, fresh)
            sources |= matched
            taken |= {r.key for r in matched.values()}
            gone = [one for one in gone if one not in matched]
            fresh = [r for r in fresh if r.key not in taken]
    changed: dict[Identity, Identity] = {}
    for source, record in sources.items():
        for identity in by_source[source]:
            new = (record.origin, record.key + identity[1][len(source[1]) :])
            if new != identity:
                changed[identity] = new
    return changed


def _by_origin(identities: Sequence[Identity], records: Sequence[Record]) -> dict[Identity, Record]:
    """By the bytes of the source. Of equal pictures the key tells them apart, then the file name, then the order."""
    waiting: dict[str, list[Record]] = {}
    for record in records:
        if record.origin:
            waiting.setdefault(record.origin, []).append(record)
    matched: dict[Identity, Record] = {}

    def same_key(key: str, record: Record) -> bool:
        return record.key == key

    def same_name(key: str, record: Record) -> bool:
        return PurePosixPath(record.key).name == PurePosixPath(key).name

    def same_picture(_key: str, _record: Record) -> bool:
        return True

    for test in (same_key, same_name, same_picture):
        for identity in identities:
            rest = waiting.get(identity[0], [])
            record = next((r for r in rest if test(identity[1], r)), None) if identity not in matched else None
            if record is not None:
                matched[identity] = record
                rest.remove(record)
    return matched


def _by_key(identities: Sequence[Identity], records: Sequence[Record]) -> dict[Identity, Record]:
    """The same name in the same concept."""
    return _one_each(identities, records, str)


def _by_stem(identities: Sequence[Identity], records: Sequence[Record]) -> dict[Identity, Record]:
    """The same name in the same concept, under another suffix (`a.jpg` saved as `a.png`)."""
    return _one_each(identities, records, lambda key: str(PurePosixPath(key).with_suffix("")).casefold())


def _one_each(
    identities: Sequence[Identity], records: Sequence[Record], name: Callable[[str], str]
) -> dict[Identity, Record]:
    by_name: dict[str, list[Record]] = {}
    for record in records:
        by_name.setdefault(name(record.key), []).append(record)
    matched: dict[Identity, Record] = {}
    for identity in identities:
        candidates = by_name.get(name(identity[1]), [])
        if candidates:
            matched[identity] = candidates.pop(0)
    return matched
