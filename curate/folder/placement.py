"""Placement: puts pictures and captions where they go in a prepared folder, replacing nothing that is not ours."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from curate import captions
from curate.core.disk_errors import disk_errors
from curate.core.events import Note
from curate.core.file_batch import FileBatch
from curate.core.files import copy_file, digest_file, prune_empty
from curate.core.record import Record
from curate.core.store import LEDGER, STAGING
from curate.core.written import Written
from curate.folder import obsolete
from curate.folder.compare import caption_path, picture_unchanged, plain_text, read_text, same_text
from curate.folder.state import FolderState
from curate.names import fold

_TOGETHER = 256
"""Records whose files wait for the disk together."""


class Placement(FolderState):
    """The folder, with what writes a record's picture and caption into it."""

    def copies(self, todo: Iterable[tuple[Record, Written]], targets: set[str]) -> dict[str, Path]:
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

    def write(
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
