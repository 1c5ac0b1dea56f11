"""Publish: brings a prepared folder up to date, replacing nothing that is not ours."""

from __future__ import annotations

import dataclasses
import functools
import json
import os
import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from curate import captions
from curate.core.events import Listener, Note
from curate.core.files import copy_file, digest_file, disk_errors, prune_empty, write_text
from curate.core.record import Manifest, Record, to_plain
from curate.core.stage import Env
from curate.core.store import LEDGER, Store, Written
from curate.errors import InputError
from curate.folder.compare import caption_of, caption_path, read_text, same_as_one, same_text, unchanged
from curate.folder.journal import Journal
from curate.names import fold


@dataclass
class Published:
    """What `publish` did: pictures written, already right, and kept as a person left them; captions likewise."""

    pictures: int = 0
    captions: int = 0
    unchanged: int = 0
    edited: list[str] = field(default_factory=list[str])
    removed: int = 0


def suffix(record: Record, source: Path) -> str:
    """The suffix of the picture file a record is written to."""
    if not os.path.isabs(record.image.path):  # noqa: PTH117
        return {"jpeg": ".jpg"}.get(record.encoding.partition(":")[0], "." + record.encoding.partition(":")[0])
    return source.suffix


def _row(record: Record, size: int, digest: str, path: PurePosixPath) -> Written:
    text = captions.render(record)
    kept = to_plain(record)
    kept["edited"], kept["aside"] = None, ""
    name = str(path)
    return Written(
        name, record.key, record.origin, digest, size, 0, _beside(name, record.style.extension) if text else "", text, kept
    )


def _beside(path: str, extension: str) -> str:
    return posixpath.splitext(path)[0] + extension


def _identity(w: Written) -> tuple[Any, ...]:
    return (w.path, w.key, w.origin, w.digest, w.size, w.caption_path, w.caption)


def _equal(plain: Mapping[str, Any], known: Mapping[str, Any]) -> bool:
    """Whether a record's plain form is the one that was stored, as JSON knows it."""
    if {k: list(v) if isinstance(v, tuple) else v for k, v in plain.items()} == known:
        return True
    return json.dumps(dict(plain), sort_keys=True) == json.dumps(dict(known), sort_keys=True)


def _same_file(a: Path, b: Path) -> bool:
    try:
        return a.samefile(b)
    except OSError:
        return False


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
    """Brings pictures and captions of the present records to `paths` (by record key), and takes away what is no longer wanted.

    Writes nothing that is already right, replaces nothing that is not ours, and keeps what a person edited: a caption's
    edit is written where the picture now goes, an edited picture is moved there. With a journal the folder is its own
    source (an in-place command), and what is replaced can be undone. Raises CurateError where the disk refuses.
    """
    return _Publisher(folder, store, env, tell, journal).run(manifest.present, paths)


def stands(
    manifest: Manifest, paths: Mapping[str, PurePosixPath], folder: Path, store: Store, env: Env, tell: Listener
) -> bool:
    """Whether the folder already is as `publish` would make it."""
    try:
        return _Publisher(folder, store, env, tell, None).stands(manifest.present, paths)
    except InputError:
        return False


class _Publisher:
    def __init__(self, folder: Path, store: Store, env: Env, tell: Listener, journal: Journal | None) -> None:
        self.folder, self.store, self.env, self.tell, self.journal = folder.absolute(), store, env, tell, journal
        self.rows = store.written()
        self.edits = store.edits()
        self.by_key = {w.key: w for w in self.rows.values()}
        self.by_fold = {fold(path): w for path, w in self.rows.items()}
        self.origins: set[str] = set()
        self.imported: set[str] = set()
        self.done = Published()

    def run(self, records: Sequence[Record], paths: Mapping[str, PurePosixPath]) -> Published:
        self.origins = {r.origin for r in records}
        self.imported = {r.imported.strip() for r in records if r.imported is not None}
        wanted = self.wanted(records, paths)
        todo = [w for w in wanted if not self._right(*w)]
        if todo:
            records = self._edited_meanwhile(records)
            self._hand_over(records)
            latest = {r.key: r for r in records}
            wanted = [(latest[r.key], source, row) for r, source, row in wanted]
            todo = [(latest[r.key], source, row) for r, source, row in todo]
        self.done.unchanged = len(wanted) - len(todo)
        self.done.edited = [r.key for r in records if r.edited is not None]
        self.store.intend(row for _, _, row in todo)
        targets = {row.path for _, _, row in wanted}
        sources = [(record, source) for record, source, _ in todo]
        todo = [(record, self._saved(source, row, targets), row) for record, source, row in todo]
        placed = [self._place(record, source, row, targets) for record, source, row in todo]
        texts = {self._caption_name(record, row) for record, _, row in wanted}
        self._remove_stale(targets, texts)
        self._tell_leftovers(targets)
        if self.journal is not None:
            self._remove_sources(sources, targets, texts)
        self.store.wrote(row for row in placed if row is not None)
        self.store.settle()
        if self.journal is not None:
            self.journal.finish()
        return self.done

    def wanted(self, records: Sequence[Record], paths: Mapping[str, PurePosixPath]) -> list[tuple[Record, Path, Written]]:
        """Each record with the file its picture comes from and the row it should have. Raises InputError where one is gone."""
        sources = [self.env.path(r.image) for r in records]
        wanted: list[tuple[Record, Path, Written]] = []
        for record, (source, size, digest) in zip(records, self.store.sized_digests(sources), strict=True):
            if isinstance(digest, OSError):
                raise InputError(
                    f"{source} is gone: {digest.strerror}", "leave the input folder alone while curate runs, then run again"
                )
            wanted.append((record, source, _row(record, size, digest, paths[record.key])))
        return wanted

    def stands(self, records: Sequence[Record], paths: Mapping[str, PurePosixPath]) -> bool:
        """Whether `run` would find nothing to do."""
        wanted = self.wanted(records, paths)
        targets = {row.path for _, _, row in wanted}
        return not (self.rows.keys() - targets) and not self.store.intended() and all(self._right(*w) for w in wanted)

    def _edited_meanwhile(self, records: Sequence[Record]) -> list[Record]:
        """The records with the captions that a person edited since the run began by looking for edits."""
        found: list[Record] = []
        for record in records:
            before = self.by_key.get(record.key)
            text = caption_of(self.folder, before) if before and before.origin == record.origin else None
            if before is not None and text is not None and not same_as_one(text, before.caption, record.edited):
                self.store.keep_edit(record.origin, record.key, text)
                self.edits[record.origin, record.key] = text
                found.append(dataclasses.replace(record, edited=text))
                continue
            found.append(record)
        return found

    def _hand_over(self, records: Sequence[Record]) -> None:
        """An edit that came to a record under another name (its source was renamed) goes by the new name from now on."""
        keys: dict[str, set[str]] = {}
        for record in records:
            keys.setdefault(record.origin, set()).add(record.key)
        for record in records:
            if record.edited is None or (record.origin, record.key) in self.edits:
                continue
            self.store.keep_edit(record.origin, record.key, record.edited)
            same = [k for k in self.edits if k[0] == record.origin and k[1] not in keys[record.origin]]
            for origin, key in [k for k in same if same_text(self.edits[k], record.edited)][:1]:
                self.store.drop_edit(origin, key)
                del self.edits[origin, key]
            self.edits[record.origin, record.key] = record.edited

    def _right(self, record: Record, source: Path, row: Written) -> bool:
        """Whether folder and ledger already say what is wanted."""
        known = self.rows.get(row.path)
        if known is None or _identity(row) != _identity(known):
            return False
        text = record.edited if record.edited is not None else row.caption
        if record.edited is None and not _equal(row.record, known.record):
            return False
        if not unchanged(self.folder, known) and str(source) != f"{self.folder}/{row.path}":
            if not (self.folder / row.path).exists():
                return False
            self._hand_made(row)
        path = self._caption_name(record, row)
        found = read_text(f"{self.folder}/{path}") if path else ""
        return found is not None and same_text(found, text)

    def _caption_name(self, record: Record, row: Written) -> str:
        """Where the caption belongs, generated or edited; "" where there is none."""
        if row.caption_path or record.edited is None:
            return row.caption_path
        return caption_path(self.folder, row) or _beside(row.path, record.style.extension)

    def _hand_made(self, row: Written) -> None:
        self.tell(Note("warning", f"{row.path} was changed by hand: it is kept as it is", key=row.key))

    def _saved(self, source: Path, row: Written, targets: set[str]) -> Path:
        """In place, a picture whose file another one is about to take is set by first."""
        if self.journal is None or self.folder not in source.parents:
            return source
        relative = source.relative_to(self.folder).as_posix()
        if relative == row.path or relative not in targets:
            return source
        aside = self.journal.place / "moving" / relative
        copy_file(source, aside)
        return aside

    def _place(self, record: Record, source: Path, row: Written, targets: set[str]) -> Written | None:
        target = self.folder / row.path
        known, before = self._known(row.path), self.by_key.get(record.key)
        ours = True
        with disk_errors(str(target)):
            if source.absolute() == target or (
                known is not None and known.digest == row.digest and unchanged(self.folder, known)
            ):
                pass
            elif known is None and os.path.lexists(target) and not self._may_take(target, row.digest):
                self.tell(
                    Note("warning", f"{row.path} is not curate's: it is left alone, {record.key} is not written", key=row.key)
                )
                return None
            elif known is not None and target.exists() and not unchanged(self.folder, known):
                self._hand_made(row)
                ours = False
            elif before and before.path != row.path and before.path not in targets and self._moved_by_hand(before, target):
                self.tell(Note("warning", f"{before.path} was changed by hand: kept, now as {row.path}", key=row.key))
                ours = False
            else:
                self._picture(source, target)
            self._caption(record, row)
            # what a person made must never look as if we had: no time matches it
            return dataclasses.replace(row, mtime=target.stat().st_mtime_ns if ours else 0)

    def _may_take(self, target: Path, digest: str) -> bool:
        """Whether a picture that the ledger does not know holds what is wanted there, or is in place the source of a record."""
        try:
            found = digest_file(target)
        except OSError:
            return False
        return found == digest or (self.journal is not None and found in self.origins)

    def _known(self, path: str) -> Written | None:
        """What we wrote there; on some file systems `Dog/a.png` is also found as `dog/a.png`."""
        if path in self.rows:
            return self.rows[path]
        row = self.by_fold.get(fold(path))
        return row if row is not None and _same_file(self.folder / row.path, self.folder / path) else None

    def _moved_by_hand(self, before: Written, target: Path) -> bool:
        """An edited picture whose place changes goes along, edits and all."""
        old = self.folder / before.path
        if not old.exists() or target.exists() or unchanged(self.folder, before):
            return False
        target.parent.mkdir(parents=True, exist_ok=True)
        old.replace(target)
        return True

    def _picture(self, source: Path, target: Path) -> None:
        self.done.pictures += 1
        inside = (
            self.journal is not None and self.folder in source.parents and LEDGER not in source.relative_to(self.folder).parts
        )
        if inside and self.journal is not None and not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            self.journal.moving(source, target)
            source.replace(target)
            return
        if self.journal is not None:
            self.journal.replacing(target)
        copy_file(source, target)

    def _caption(self, record: Record, row: Written) -> None:
        text = record.edited if record.edited is not None else row.caption
        name = self._caption_name(record, row)
        if not name:
            return
        path = self.folder / name
        found = read_text(path)
        if found is not None and same_text(found, text):
            return
        if found is not None and not self._is_ours(name, found):
            self.tell(Note("warning", f"{name} was written by hand: it is kept as it is", key=row.key))
            return
        if self.journal is not None:
            self.journal.replacing(path)
        self.done.captions += 1
        write_text(path, text)

    def _is_ours(self, caption: str, text: str) -> bool:
        """Whether a caption file holds what we wrote there, an edit that the ledger keeps, or in place what was imported."""
        about = self.captions.get(fold(caption), ())
        if self.journal is not None and text.strip() in self.imported:
            return True
        return any(self._wrote(row, text) for row in about)

    def _wrote(self, row: Written, text: str | None) -> bool:
        """Whether a text is the caption generated for a picture, or one of the edits that are kept for it."""
        return same_as_one(text, row.caption, *self.edits_of.get(row.origin, ()))

    @functools.cached_property
    def edits_of(self) -> dict[str, list[str]]:
        """All edits of a picture, whatever it was called when they were made."""
        found: dict[str, list[str]] = {}
        for (origin, _), text in self.edits.items():
            found.setdefault(origin, []).append(text)
        return found

    @functools.cached_property
    def captions(self) -> dict[str, list[Written]]:
        """The rows by the path of their captions."""
        found: dict[str, list[Written]] = {}
        for row in self.rows.values():
            found.setdefault(fold(caption_path(self.folder, row)), []).append(row)
        return found

    def _remove_stale(self, pictures: set[str], texts: set[str]) -> None:
        """Takes away pictures and captions of ours that have no place any more; what a person changed stays."""
        stale = [w for w in self.rows.values() if w.path not in pictures]
        kept = {fold(name): name for name in (*pictures, *texts)} if stale else {}
        for row in stale:
            path = self.folder / row.path
            if path.exists() and not self._is_also(row.path, kept):
                if unchanged(self.folder, row):
                    self._remove(path)
                else:
                    said = f"{row.path} was changed by hand and is no longer part of the dataset: it is left there"
                    self.tell(Note("warning", said))
            self._remove_caption(row, caption_path(self.folder, row), texts, kept)
            prune_empty(path.parent, self.folder)
        for row in self.rows.values():
            if row.path in pictures:
                self._remove_caption(row, row.caption_path, texts, kept)
        self.store.forget_written(w.path for w in stale)

    def _tell_leftovers(self, pictures: set[str]) -> None:
        """Names folders that our pictures have left but a person's files keep alive: trainers would read them as concepts."""
        left = {posixpath.dirname(path) for path in self.rows} - {posixpath.dirname(path) for path in pictures}
        for name in sorted(left):
            if name and (self.folder / name).is_dir():
                said = f"{name} still holds files that are not curate's: a trainer takes it for a concept; move them out"
                self.tell(Note("warning", said))

    def _remove_caption(self, row: Written, name: str, texts: set[str], kept: Mapping[str, str]) -> None:
        if not name or name in texts or self._is_also(name, kept):
            return
        path = self.folder / name
        if self._wrote(row, read_text(path)):
            self._remove(path)

    def _remove_sources(self, sources: Sequence[tuple[Record, Path]], targets: set[str], texts: set[str]) -> None:
        """In place, a picture that went elsewhere leaves its old place, and so does the caption that came with it."""
        for record, source in sources:
            if self.folder not in source.parents or LEDGER in source.relative_to(self.folder).parts:
                continue
            if source.relative_to(self.folder).as_posix() in targets:
                continue
            if source.exists():
                self._remove(source)
            beside = captions.caption_file(source)
            if beside is not None and beside.relative_to(self.folder).as_posix() not in texts:
                text = (read_text(beside) or "").removeprefix("\ufeff").strip()
                if record.imported is not None and text == record.imported.strip():
                    self._remove(beside)
            prune_empty(source.parent, self.folder)

    def _is_also(self, name: str, kept: Mapping[str, str]) -> bool:
        """Whether the file system takes a stale name for one that is wanted (`Dog/a.png`, `dog/a.png`)."""
        other = kept.get(fold(name))
        return other is not None and _same_file(self.folder / name, self.folder / other)

    def _remove(self, path: Path) -> None:
        self.done.removed += 1
        if self.journal is not None:
            self.journal.replacing(path)
        with disk_errors(str(path)):
            path.unlink(missing_ok=True)
