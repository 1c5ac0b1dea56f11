"""Publish: brings a prepared folder up to date, replacing nothing that is not ours."""

from __future__ import annotations

import dataclasses
import os
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath

from curate import captions
from curate.core.events import Listener, Note
from curate.core.file_batch import FileBatch
from curate.core.files import copy_file, digest_file, disk_errors, prune_empty
from curate.core.packed import Packed
from curate.core.record import Manifest, Record
from curate.core.stage import Env
from curate.core.store import LEDGER, STAGING, Store, Written
from curate.errors import InputError
from curate.folder import masks, obsolete, unplaced_captions
from curate.folder.compare import (
    caption_path,
    caption_text,
    is_any_of,
    picture_unchanged,
    plain_text,
    read_text,
    same_text,
)
from curate.folder.encodings import report_encodings
from curate.folder.journal import Journal
from curate.folder.state import FolderState, Published, with_record
from curate.folder.written_rows import ROWS
from curate.names import fold

_TOGETHER = 256
"""Records whose files wait for the disk together."""


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


class _Publisher(FolderState):
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
        saved = self._saved(pairs(todo), targets)
        done: Packed[Written] = Packed(packing=ROWS)
        for row in self._placed(pairs(todo), saved, targets, texts):
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

    def _saved(self, todo: Iterable[tuple[Record, Written]], targets: set[str]) -> dict[str, Path]:
        """In place, a picture whose file another one is about to take is set by first: its copy, by its new path."""
        copies: dict[str, Path] = {}
        for record, row in todo if self.journal is not None else ():
            source = self.env.path(record.image)
            if self.journal is None or self.folder not in source.parents:
                continue
            relative = source.relative_to(self.folder).as_posix()
            if relative != row.path and relative in targets:
                copies[row.path] = self.journal.place / "moving" / relative
                copy_file(source, copies[row.path])
        return copies

    def _placed(
        self, todo: Iterable[tuple[Record, Written]], saved: Mapping[str, Path], targets: set[str], texts: set[str]
    ) -> Iterator[Written]:
        """Writes pictures and captions; gives each row as it is on the disk, without a path where it is left alone."""
        waiting: list[tuple[Written, bool]] = []
        with FileBatch(self.store.root / STAGING) as self.files:
            for record, row in todo:
                waiting.append(self._place(record, saved.get(row.path), row, targets, texts))
                if len(waiting) == _TOGETHER or self.files.is_large:
                    self.files.flush()
                    yield from self._dated(waiting)
                    waiting.clear()
            self.files.flush()
            yield from self._dated(waiting)

    def _dated(self, rows: Iterable[tuple[Written, bool]]) -> Iterator[Written]:
        for row, ours in rows:
            target = self.folder / row.path
            with disk_errors(str(target)):
                # what a person made must never look as if we had: no time matches it
                yield dataclasses.replace(row, mtime=target.stat().st_mtime_ns if ours else 0)

    def _place(
        self, record: Record, copy: Path | None, row: Written, targets: set[str], texts: set[str]
    ) -> tuple[Written, bool]:
        """Adds what is to be written of a record to the batch; the row, and whether the picture is ours then."""
        source = copy or self.env.path(record.image)
        target = self.folder / row.path
        known, before = self.row_at(row.path), self.by_key.get(record.key)
        ours = True
        with disk_errors(str(target)):
            if source.absolute() == target or (
                known is not None and known.digest == row.digest and picture_unchanged(self.folder, known)
            ):
                pass
            elif known is None and os.path.lexists(target) and not self._may_take(target, row.digest):
                self.tell(
                    Note(
                        "warning",
                        f"{row.path} is not curate's: it is left alone, {record.key} is not written",
                        key=row.key,
                    )
                )
                return dataclasses.replace(row, path=""), False
            elif known is not None and target.exists() and not picture_unchanged(self.folder, known):
                self.report_hand_made(row)
                ours = False
            elif (
                before
                and before.path != row.path
                and before.path not in targets
                and self._moved_by_hand(before, target, texts)
            ):
                self.tell(Note("warning", f"{before.path} was changed by hand: kept, now as {row.path}", key=row.key))
                ours = False
            else:
                self._picture(source, target)
            self._caption(record, row)
            return row, ours

    def _may_take(self, target: Path, digest: str) -> bool:
        """Whether a picture that the ledger does not know is as wanted, or in place the source of a record."""
        try:
            found = digest_file(target)
        except OSError:
            return False
        return found == digest or (self.journal is not None and found in self.origins)

    def _moved_by_hand(self, before: Written, target: Path, texts: set[str]) -> bool:
        """An edited picture whose place changes goes along, edits and all."""
        old = self.folder / before.path
        if not old.exists() or target.exists() or picture_unchanged(self.folder, before):
            return False
        obsolete.remove_caption(
            self, before, caption_path(self.folder, before), texts, {fold(name): name for name in texts}
        )
        target.parent.mkdir(parents=True, exist_ok=True)
        old.replace(target)
        prune_empty(old.parent, self.folder)
        # nothing but the ledger tells where it went, should the folder be renamed after a kill
        name = target.relative_to(self.folder).as_posix()
        before = self.store.with_records([before])[before.path]
        self.store.forget_written([before.path])
        self.store.wrote([dataclasses.replace(before, path=name, mtime=0)])
        self.store.commit()
        return True

    def _picture(self, source: Path, target: Path) -> None:
        self.result.pictures += 1
        inside = (
            self.journal is not None
            and self.folder in source.parents
            and LEDGER not in source.relative_to(self.folder).parts
        )
        if inside and self.journal is not None and not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            self.journal.moving(source, target)
            source.replace(target)
            return
        if self.journal is not None:
            self.journal.replacing(target)
        self.files.copy(source, target)

    def _caption(self, record: Record, row: Written) -> None:
        text = plain_text(record.edited) if record.edited is not None else row.caption
        name = self.caption_name(record, row)
        if not name:
            return
        path = self.folder / name
        found = read_text(path)
        if found is not None or record.edited is not None:
            self.maybe_misread.append(name)
        if found is not None and same_text(found, text):
            return
        if found is not None and not self._is_ours(row, name, found):
            self.tell(Note("warning", f"{name} was written by hand: it is kept as it is", key=row.key))
            return
        if self.journal is not None:
            self.journal.replacing(path)
        self.result.captions += 1
        self.files.write_text(path, text)

    def _is_ours(self, row: Written, caption: str, text: str) -> bool:
        """Whether a caption file holds what we wrote, an edit that the ledger keeps, or in place what was imported."""
        before = self.rows.get(row.path)
        if before is not None and before.caption_path == caption and self.wrote(before, text):
            return True  # as most are: the index of all captions takes a kilobyte for each
        about = self.captions.get(fold(caption), ())
        if self.journal is not None and not self.imported.isdisjoint(captions.readings(text)):
            return True
        return any(self.wrote(one, text) for one in about)
