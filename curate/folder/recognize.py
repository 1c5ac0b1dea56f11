"""Recognize: the records of a run with what a person said of them in the prepared folder."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

from curate.core.events import Listener, Note
from curate.core.record import Manifest, Record
from curate.core.stage import Env
from curate.core.store import Store
from curate.core.user_changes import Identity
from curate.folder.edit_matching import assign
from curate.folder.edits import Changes
from curate.folder.instruction_matching import Instructions, match
from curate.folder.resemblance import Resemblance
from curate.names import source_key

REMOVED = "you removed it from the prepared folder"
"""Why a picture is set aside that a person removed there."""


@dataclass(frozen=True, slots=True)
class Recognized:
    """The records with a person's words on them, and the keys of pictures that came and left since the last run.

    `instructions` are what the person asks for them beside.
    """

    manifest: Manifest
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    instructions: Instructions = field(default_factory=Instructions)


def recognize(
    manifest: Manifest, changes: Changes, folder: Path, store: Store, env: Env, tell: Listener, *, keep: bool = True
) -> Recognized:
    """Gives edits and removals to the records that they belong to now, and tells where the file is another.

    With `keep` the ledger knows the pictures by their new names from then on.
    """
    before = store.sources() or {(origin, source_key(key)) for origin, key in _written(store)}
    now = {(r.origin, r.key) for r in manifest if r.origin}
    words = sorted({*changes.edits, *changes.removed})
    changed: dict[Identity, Identity] = {}
    if not all((origin, source_key(key)) in now for origin, key in chain(words, before, _written(store))):
        records = [r for r in manifest if r.origin]
        changed = assign(words, before, set(_written(store)), records, Resemblance(folder, store, env))
    edits = {changed.get(one, one): text for one, text in changes.edits.items()}
    removed = {changed.get(one, one): path for one, path in changes.removed.items()}
    transforms, concepts = store.transforms(), store.concept_overrides()
    by_identity = {(r.origin, r.key): r for r in manifest if r.origin} if transforms or concepts else {}
    instructions = match(transforms, concepts, by_identity, changed, env.root, tell)
    for old, new in changed.items():
        if keep:
            store.identify(old, new, transform=old not in instructions.unmatched)
        if old in changes.edits and old[0] != new[0]:
            what = "was saved again" if old[1] == new[1] else f"took the place of {old[1]}"
            tell(Note("warning", f"its source {what}: your edited caption is kept", key=new[1]))
    store.commit()
    same = {changed.get(one, one) for one in before} if changed else before
    unnamed = store.unnamed_sources()
    new = {one for one in now - same if one[0] not in unnamed} if before else set[Identity]()
    added = tuple(r.key for r in manifest if (r.origin, r.key) in new) if new else ()
    missing = tuple(sorted(key for _, key in same - now))
    return Recognized(with_edits(manifest, edits, removed), added, missing, instructions)


def _written(store: Store) -> Iterator[Identity]:
    return ((row.origin, row.key) for row in store.each_written(records=False))


def keep_sources(manifest: Manifest, store: Store) -> None:
    """Notes at the end of a run which source pictures it began with: what a killed one had seen is still new."""
    now = {(r.origin, r.key) for r in manifest if r.origin}
    if now != store.sources():
        store.keep_sources(sorted(now))


def with_edits(manifest: Manifest, edits: Mapping[Identity, str], removed: Mapping[Identity, object]) -> Manifest:
    """The records with the edits that are known by their identity, and those set aside that a person removed."""
    if not edits and not removed:
        return manifest

    def worded(record: Record) -> Record:
        identity = (record.origin, record.key)
        if identity in removed and not record.aside:
            record = dataclasses.replace(record, aside=f"{REMOVED} (`curate tags restore` brings it back)")
        text = edits.get(identity)
        return record if text is None or text == record.edited else dataclasses.replace(record, edited=text)

    return Manifest(map(worded, manifest), unique=True)
