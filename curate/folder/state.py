"""State: a folder as it is, beside what the ledger says of it and what a run wants there."""

from __future__ import annotations

import dataclasses
import functools
import os
import posixpath
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from curate import captions
from curate.core.database import chunks
from curate.core.disk_errors import disk_errors
from curate.core.events import Listener, Note
from curate.core.files import prune_empty
from curate.core.json_text import as_json
from curate.core.packed import Packed
from curate.core.record import FINGERPRINT, Record, to_plain
from curate.core.stage import Env
from curate.core.store import Store
from curate.core.written import Written
from curate.errors import InputError
from curate.folder.compare import caption_path, holds, is_any_of, picture_unchanged, read_text, same_text
from curate.folder.journal import Journal
from curate.folder.written_rows import ROWS, WrittenByKey, WrittenRows
from curate.names import fold


@dataclass
class Published:
    """What `publish` did: pictures written, already right, and kept as a person left them; captions likewise."""

    pictures: int = 0
    captions: int = 0
    unchanged: int = 0
    edited: list[str] = field(default_factory=list[str])
    removed: int = 0


def suffix(record: Record) -> str:
    """The suffix of the picture file a record is written to."""
    if not os.path.isabs(record.image.path):  # noqa: PTH117
        return {"jpeg": ".jpg"}.get(record.encoding.partition(":")[0], "." + record.encoding.partition(":")[0])
    return os.path.splitext(record.image.path)[1]  # noqa: PTH122


def stored(record: Record) -> str:
    """The record as the ledger keeps it beside what was written of it."""
    kept = to_plain(record)
    kept["edited"], kept["aside"] = None, ""
    kept["facts"] = {name: fact for name, fact in record.facts.items() if name != FINGERPRINT}
    return as_json(kept)


def with_record(row: Written, record: Record) -> Written:
    """The row to be written, with its record: thousands of letters, so they are made when it is written."""
    return dataclasses.replace(row, stored=stored(record))


def _row(record: Record, size: int, digest: str, path: PurePosixPath, had_caption: bool) -> Written:
    """What is to be written, but for the record; `had_caption` keeps a caption file that has become empty."""
    text = captions.render(record)
    name = str(path)
    return Written(
        path=name,
        key=record.key,
        origin=record.origin,
        digest=digest,
        size=size,
        mtime=0,
        caption_path=_beside(name, record.style.extension) if text or had_caption else "",
        caption=text,
        stored="",
    )


def _beside(path: str, extension: str) -> str:
    return posixpath.splitext(path)[0] + extension


def _identity(w: Written) -> tuple[Any, ...]:
    return (w.path, w.key, w.origin, w.digest, w.size, w.caption_path, w.caption)


def _same_file(a: Path, b: Path) -> bool:
    try:
        return a.samefile(b)
    except OSError:
        return False


class FolderState:
    """What is in `folder`, what was written there before (without records), and whether it is what is wanted now."""

    def __init__(self, folder: Path, store: Store, env: Env, tell: Listener, journal: Journal | None) -> None:
        self.folder, self.store, self.env, self.tell, self.journal = folder.absolute(), store, env, tell, journal
        self.edits = store.edits()
        self.intended = Packed(store.intended(records=False), packing=ROWS)
        """What a run that was killed was about to write, which is forgotten once this one intends something."""
        self.maybe_misread: list[str] = []
        """Captions that are not, byte by byte, what was generated: an editor may have saved them in any way."""
        self.origins: set[str] = set()
        self.imported: set[str] = set()
        self.result = Published()

    @functools.cached_property
    def rows(self) -> WrittenRows:
        """What was written, by path."""
        return WrittenRows(self.store.each_written(records=False))

    @functools.cached_property
    def by_key(self) -> WrittenByKey:
        """What was written, by the record's key."""
        return self.rows.by_key()

    @functools.cached_property
    def by_fold(self) -> dict[str, str]:
        """The paths of what was written, by how some file systems compare them."""
        return {fold(path): path for path in self.rows}

    def targets(
        self, records: Sequence[Record], paths: Mapping[str, PurePosixPath]
    ) -> Iterator[tuple[Record, Written, bool]]:
        """Each record with the row it should have, and whether all is as wanted.

        Raises InputError where the file that a picture comes from is gone.
        """
        for part in chunks(records):
            wanted = list(self._wanted(part, paths))
            known = self.store.with_records(row for _, _, row in wanted)
            for record, source, row in wanted:
                yield record, row, self._is_right(record, source, row, known.get(row.path))

    def _wanted(
        self, records: Sequence[Record], paths: Mapping[str, PurePosixPath]
    ) -> Iterator[tuple[Record, Path, Written]]:
        sources = [self.env.path(r.image) for r in records]
        for record, (source, size, digest) in zip(records, self.store.sized_digests(sources), strict=True):
            if isinstance(digest, OSError):
                raise InputError(
                    f"{source} is gone: {digest.strerror}",
                    "leave the input folder alone while curate runs, then run again",
                )
            had_caption = self.journal is not None and self._had_caption(record)
            yield record, source, _row(record, size, digest, paths[record.key], had_caption)

    def _had_caption(self, record: Record) -> bool:
        known = self.by_key.get(record.key)
        return record.imported is not None or (known is not None and bool(known.caption_path))

    def is_current(self, records: Sequence[Record], paths: Mapping[str, PurePosixPath]) -> bool:
        """Whether `publish` would find nothing to do."""
        # where each has its row, and there are no more rows, none is of another picture
        return (
            not self.store.is_interrupted
            and self.store.count_written() == len(records)
            and all(is_right for *_, is_right in self.targets(records, paths))
        )

    def _is_right(self, record: Record, source: Path, row: Written, known: Written | None) -> bool:
        """Whether folder and ledger already say what is wanted."""
        if known is None or _identity(row) != _identity(known):
            return False
        text = record.edited if record.edited is not None else row.caption
        if record.edited is None and stored(record) != known.stored:
            return False
        if not picture_unchanged(self.folder, known) and str(source) != f"{self.folder}/{row.path}":
            if not (self.folder / row.path).exists():
                return False
            self.report_hand_made(row)
        path = self.caption_name(record, row)
        if path and record.edited is None and holds(f"{self.folder}/{path}", text):
            return True
        found = read_text(f"{self.folder}/{path}") if path else ""
        if found is None or not same_text(found, text):
            return False
        if path:
            self.maybe_misread.append(path)
        return True

    def caption_name(self, record: Record, row: Written) -> str:
        """Where the caption belongs, generated or edited; "" where there is none."""
        if row.caption_path or record.edited is None:
            return row.caption_path
        return caption_path(self.folder, row) or _beside(row.path, record.style.extension)

    def report_hand_made(self, row: Written) -> None:
        """Says that a picture stays as a person left it."""
        self.tell(Note("warning", f"{row.path} was changed by hand: it is kept as it is", key=row.key))

    def row_at(self, path: str) -> Written | None:
        """What we wrote there; on some file systems `Dog/a.png` is also found as `dog/a.png`."""
        if path in self.rows:
            return self.rows[path]
        other = self.by_fold.get(fold(path))
        same = other is not None and _same_file(self.folder / other, self.folder / path)
        return self.rows[other] if other is not None and same else None

    def wrote(self, row: Written, text: str | None) -> bool:
        """Whether a text is the caption generated for a picture, or an edit of it, present or past."""
        return is_any_of(text, row.caption, *self.edits_of.get(row.origin, ()))

    @functools.cached_property
    def edits_of(self) -> dict[str, list[str]]:
        """All edits of a picture, whatever it was called when they were made."""
        found: dict[str, list[str]] = {}
        for (origin, _), text in self.edits.items():
            found.setdefault(origin, []).append(text)
        for (origin, _), texts in self.store.past_edits().items():
            found.setdefault(origin, []).extend(texts)
        return found

    @functools.cached_property
    def captions(self) -> dict[str, list[Written]]:
        """The rows by the path of their captions, with what a killed run was about to write there."""
        found: dict[str, list[Written]] = {}
        for row in self.rows.each():
            found.setdefault(fold(caption_path(self.folder, row)), []).append(row)
        for row in self.intended:
            found.setdefault(fold(row.caption_path), []).append(row)
        return found

    def is_also(self, name: str, taken: Mapping[str, str]) -> bool:
        """Whether the file system takes a stale name for one that is wanted (`Dog/a.png`, `dog/a.png`)."""
        other = taken.get(fold(name))
        return other is not None and _same_file(self.folder / name, self.folder / other)

    def remove(self, path: Path) -> None:
        """Takes a file of ours away, and folders that become empty; in place it can be brought back.

        Raises CurateError where the disk refuses.
        """
        self.result.removed += 1
        if self.journal is not None:
            self.journal.replacing(path)
        with disk_errors(str(path)):
            path.unlink(missing_ok=True)
        prune_empty(path.parent, self.folder)
