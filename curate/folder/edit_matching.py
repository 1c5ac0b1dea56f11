"""Edit matching: which source picture is the one that a person's word, or a written file, belongs to.

A word belongs to the bytes of the source file. Where they are gone (the picture was cropped, retouched, saved as other
type), it goes to a new picture of the same name in the same concept, else to one that looks the same.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import PurePosixPath

from curate.core.record import Record
from curate.core.user_changes import Identity
from curate.names import source_key

Alike = Callable[[Sequence[Identity], Sequence[Record]], Mapping[Identity, Record]]
"""Says which of the pictures that are gone look like which of the new ones."""


def assign(
    words: Collection[Identity],
    before: Collection[Identity],
    written: Collection[Identity],
    records: Sequence[Record],
    alike: Alike,
) -> dict[Identity, Identity]:
    """The identities that are others now, old to new.

    `words` are those of edits and removals, `before` the sources of the last whole run, `written` files in the folder;
    all may name parts of a picture, which follow their source. Words choose first, by likeness too. What only a killed
    run wrote is a new picture still: it gets what is left, and takes no record from the others.
    """
    exact = {(record.origin, record.key) for record in records}
    if all((origin, source_key(key)) in exact for some in (words, before, written) for origin, key in some):
        return {}
    before, written = sorted(before), sorted(written)
    worded = {(origin, source_key(key)) for origin, key in words}
    old = worded | {(origin, source_key(key)) for origin, key in before}
    parts: dict[Identity, set[Identity]] = {}
    for identity in (*words, *before, *written):
        parts.setdefault((identity[0], source_key(identity[1])), set()).add(identity)
    order = sorted(parts, key=lambda one: (one not in worded, one))
    sources = _by_origin(order, records)
    taken = {r.key for one, r in sources.items() if one in old}
    origins = {origin for origin, _ in old}
    fresh = [r for r in records if r.origin and r.origin not in origins and r.key not in taken]
    present = {r.origin for r in records}
    gone = [one for one in order if one not in sources and one[0] not in present]
    for match, group in ((_by_key, old), (_by_stem, old), (alike, worded), (_by_key, parts), (_by_stem, parts)):
        asked = [one for one in gone if one in group and one not in sources]
        if asked and fresh:
            matched = match(asked, fresh)
            sources |= matched
            keys = {r.key for r in matched.values()}
            fresh = [r for r in fresh if r.key not in keys]
    return {
        identity: new
        for source, record in sources.items()
        for identity in parts[source]
        if (new := (record.origin, record.key + identity[1][len(source[1]) :])) != identity
    }


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
