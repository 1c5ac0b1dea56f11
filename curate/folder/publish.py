"""Publish: brings a prepared folder up to date, replacing nothing that is not ours."""

from __future__ import annotations

import dataclasses
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath

from curate.core.events import Listener
from curate.core.packed import Packed
from curate.core.record import Manifest, Record
from curate.core.stage import Env
from curate.core.store import Store
from curate.core.written import Written
from curate.errors import InputError
from curate.folder import masks, obsolete, unplaced_captions
from curate.folder.compare import caption_text, is_any_of
from curate.folder.encodings import report_encodings
from curate.folder.journal import Journal
from curate.folder.placement import Placement
from curate.folder.state import FolderState, Published, with_record
from curate.folder.written_rows import ROWS


def publish(
    manifest: Manifest,
    paths: Mapping[str, PurePosixPath],
    folder: Path,
    store: Store,
    env: Env,
    tell: Listener,
    *,
    journal: Journal | None = None,
) -> Published:
    """Brings pictures and captions of the present records to `paths` (by record key), and removes the others.

    Writes nothing that is already right, replaces nothing that is not ours, and keeps what a person edited: a caption's
    edit is written where the picture now goes, an edited picture is moved there. With a journal the folder is its own
    source (an in-place command), and what is replaced can be undone. Raises CurateError where the disk refuses.
    """
    return _Publisher(folder, store, env, tell, journal).run(manifest.present, paths)


def is_current(
    manifest: Manifest, paths: Mapping[str, PurePosixPath], folder: Path, store: Store, env: Env, tell: Listener
) -> bool:
    """Whether the folder already is as `publish` would make it."""
    try:
        state = FolderState(folder, store, env, tell, None)
        records = manifest.present
        current = (
            state.is_current(records, paths)
            and masks.is_current(state, records, paths)
            and unplaced_captions.is_current(state, records)
        )
    except InputError:
        return False
    if current:
        report_encodings(folder, state.maybe_misread, tell)
    return current


class _Publisher(Placement):
    """The writing side."""

    def run(self, records: Sequence[Record], paths: Mapping[str, PurePosixPath]) -> Published:
        if self.journal is not None:
            self.origins = {r.origin for r in records}
            self.imported = {r.imported.strip() for r in records if r.imported is not None}
        todo: Packed[Written] = Packed(packing=ROWS)
        numbers = array("q")  # which records they are of
        targets: set[str] = set()
        texts: set[str] = set()
        for number, (record, row, is_right) in enumerate(self.targets(records, paths)):
            targets.add(row.path)
            texts.add(self.caption_name(record, row))
            if not is_right:
                todo.append(row)
                numbers.append(number)
        self.result.unchanged = len(records) - len(todo)
        if todo:
            edited, records = self._edited_meanwhile(records)
            texts.update(self.caption_name(record, row) for record, _, row in self._wanted(edited, paths))
            self._keep_new_edits(records)
        self.result.edited = [r.key for r in records if r.edited is not None]

        def pairs(rows: Packed[Written]) -> Iterator[tuple[Record, Written]]:
            return ((records[number], row) for number, row in zip(numbers, rows, strict=True))

        self._carry_out(records, paths, pairs, todo, targets, texts)
        report_encodings(self.folder, self.maybe_misread, self.tell)
        return self.result

    def _carry_out(
        self,
        records: Sequence[Record],
        paths: Mapping[str, PurePosixPath],
        pairs: Callable[[Packed[Written]], Iterator[tuple[Record, Written]]],
        todo: Packed[Written],
        targets: set[str],
        texts: set[str],
    ) -> None:
        """Writes what is `todo`, and takes away what has no place; the ledger knows before, and knows when it is done.

        `pairs` gives the record of each row.
        """
        removing = (self.rows.keys() - targets) | unplaced_captions.obsolete(self.store, records)
        removing |= set(unplaced_captions.missing(self, records).values())
        self.store.intend((with_record(row, record) for record, row in pairs(todo)), removing)
        copies = self.copies(pairs(todo), targets)
        done: Packed[Written] = Packed(packing=ROWS)
        for row in self.write(pairs(todo), copies, targets, texts):
            done.append(row)
        unplaced_captions.write(self, records)
        obsolete.remove_obsolete(self, targets, texts)
        obsolete.report_leftovers(self, targets)
        masks.update(self, records, paths)
        if self.journal is not None:
            obsolete.remove_sources(self, (record for record, _ in pairs(todo)), targets, texts)
        unplaced_captions.remove(self, records)
        self.store.wrote(with_record(row, record) for record, row in pairs(done) if row.path)
        self.store.settle()
        if self.journal is not None:
            self.journal.finish()

    def _edited_meanwhile(self, records: Sequence[Record]) -> tuple[list[Record], Sequence[Record]]:
        """The captions that a person edited since the run began by looking for edits: their records, and all records.

        Both have the edits on them.
        """
        past = self.store.past_edits()
        edited: dict[str, Record] = {}
        for record in records if self.by_key else ():
            before = self.by_key.get(record.key)
            known = past.get((record.origin, record.key), ())
            text = caption_text(self.folder, before) if before and before.origin == record.origin else None
            if before is not None and text is not None and not is_any_of(text, before.caption, record.edited, *known):
                self.store.keep_edit(record.origin, record.key, text)
                self.edits[record.origin, record.key] = text
                edited[record.key] = dataclasses.replace(record, edited=text)
        if not edited:
            return [], records
        return list(edited.values()), Manifest((edited.get(r.key, r) for r in records), unique=True)

    def _keep_new_edits(self, records: Sequence[Record]) -> None:
        """Edits that came with the records, from another prepared folder, are known here from now on."""
        for record in records:
            if record.edited is not None and (record.origin, record.key) not in self.edits:
                self.store.keep_edit(record.origin, record.key, record.edited)
                self.edits[record.origin, record.key] = record.edited
