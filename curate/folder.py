"""Folder: a prepared folder on disk. What we wrote, what a person changed there, and how it is brought up to date."""

from __future__ import annotations

import dataclasses
import json
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from curate import captions, images
from curate.core.events import Listener, Note
from curate.core.files import copy_file, digest_file, disk_errors, prune_empty, remove_leftovers, write_text
from curate.core.record import Manifest, Record, to_plain
from curate.core.stage import Env
from curate.core.store import LEDGER, Store, Written
from curate.errors import InputError


def same_text(a: str, b: str) -> bool:
    """Whether two captions say the same: a final newline, a byte-order mark or CRLF that an editor adds is no edit."""
    return _bare(a) == _bare(b)


def _bare(text: str) -> str:
    return text.removeprefix("\ufeff").replace("\r\n", "\n").rstrip("\n")


def _read(path: Path) -> str | None:
    try:
        return path.read_bytes().decode("utf-8", "surrogateescape")
    except FileNotFoundError:
        return None
    except OSError:
        return None


def unchanged(folder: Path, row: Written) -> bool:
    """Whether the picture file is still as we wrote it (by size and time, by content where the time differs)."""
    path = folder / row.path
    try:
        stat = path.stat()
        if stat.st_size != row.size:
            return False
        return stat.st_mtime_ns == row.mtime or digest_file(path) == row.digest
    except OSError:
        return False


# what a person changed ---------------------------------------------------------------------------------------------------


def look(folder: Path, store: Store, tell: Listener) -> dict[tuple[str, str], str]:
    """Finds captions edited by hand since they were written, also in folders that were renamed; keeps them in the ledger.

    Returns all edits by (origin digest, record key).
    """
    killed = _recover(folder, store)
    _follow(folder, store, tell)
    edits = store.edits()
    for row in store.written().values():
        text = _caption_of(folder, row)
        about = (row.origin, row.key)
        if text is None:
            if not killed and about in edits and (folder / row.path).exists():
                store.drop_edit(*about)
        elif same_text(text, row.caption):
            if about in edits:
                store.drop_edit(*about)
        elif not same_text(text, edits.get(about, "")) or about not in edits:
            store.keep_edit(*about, text)
    store.commit()
    return store.edits()


def _forget_old_names(store: Store) -> None:
    """An edit that followed its picture to a new name must not come back when the person takes it away there."""
    held = {(row.origin, row.key) for row in store.written().values()}
    edits = store.edits()
    followed = {(origin, text) for (origin, key), text in edits.items() if (origin, key) in held}
    for (origin, key), text in edits.items():
        if (origin, key) not in held and (origin, text) in followed:
            store.drop_edit(origin, key)


def _caption_of(folder: Path, row: Written) -> str | None:
    if row.caption_path:
        return _read(folder / row.caption_path)
    beside = captions.caption_file(folder / row.path)
    return _read(beside) if beside else None


def _recover(folder: Path, store: Store) -> bool:
    """After a kill: what had been written of the intentions becomes known as ours. True where there was a kill."""
    intended = store.intended()
    known = store.written()
    done: list[Written] = []
    for row in intended:
        path, old = folder / row.path, known.get(row.path)
        remove_leftovers(path.parent)
        try:
            stat = path.stat()
        except OSError:
            continue
        if stat.st_size != row.size or digest_file(path) != row.digest:
            continue
        text = _read(folder / row.caption_path) if row.caption_path else None
        edit = store.edits().get((row.origin, row.key))
        ours = text is None or same_text(text, row.caption) or (edit is not None and same_text(text, edit))
        known_as = row if ours or old is None else dataclasses.replace(row, caption=old.caption, caption_path=old.caption_path)
        done.append(dataclasses.replace(known_as, mtime=stat.st_mtime_ns))
    store.wrote(done)
    return bool(intended)


def _follow(folder: Path, store: Store, tell: Listener) -> None:
    """Pictures of ours that a person moved or renamed keep their rows, under their new paths."""
    rows = store.written()
    missing = {w.digest: w for w in rows.values() if not (folder / w.path).exists()}
    if not missing:
        return
    strangers = [
        p
        for p in sorted(folder.rglob("*"))
        if LEDGER not in p.relative_to(folder).parts and p.is_file() and images.looks_like_picture(p)
    ]
    strangers = [p for p in strangers if p.relative_to(folder).as_posix() not in rows]
    for path, digest in store.digests(strangers):
        row = missing.pop(digest, None) if isinstance(digest, str) else None
        if row is None:
            continue
        new = path.relative_to(folder).as_posix()
        beside = path.with_suffix(PurePosixPath(row.caption_path).suffix) if row.caption_path else None
        moved = dataclasses.replace(
            row, path=new, mtime=path.stat().st_mtime_ns, caption_path=beside.relative_to(folder).as_posix() if beside else ""
        )
        store.forget_written([row.path])
        store.wrote([moved])
        tell(Note("info", f"{row.path} was moved by hand to {new}; its caption is followed", key=row.key))


# bringing the folder up to date ------------------------------------------------------------------------------------------


@dataclass
class Journal:
    """What an in-place command replaced, so that it can be undone (`folder/.curate/undo/N/`)."""

    place: Path
    folder: Path
    command: str
    replaced: list[str] = field(default_factory=list[str])
    created: list[str] = field(default_factory=list[str])
    moved: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    rows: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])

    @classmethod
    def begin(cls, folder: Path, store: Store, command: str) -> Journal:
        """A new journal, numbered after the last."""
        root = store.root / "undo"
        number = 1 + max((int(p.name) for p in root.glob("*") if p.name.isdigit()), default=0)
        place = root / f"{number:04d}"
        place.mkdir(parents=True)
        journal = cls(place, folder.absolute(), command, rows=[dataclasses.asdict(w) for w in store.written().values()])
        journal.save()
        return journal

    def replacing(self, path: Path) -> None:
        """Keeps the file that is about to be replaced or removed; notes a new one as created."""
        relative = path.relative_to(self.folder).as_posix()
        if relative in self.replaced or relative in self.created:
            return
        if path.exists():
            copy_file(path, self.place / "files" / relative)
            self.replaced.append(relative)
        else:
            self.created.append(relative)
        self.save()

    def moving(self, old: Path, new: Path) -> None:
        """Notes a rename."""
        self.moved.append((old.relative_to(self.folder).as_posix(), new.relative_to(self.folder).as_posix()))
        self.save()

    def save(self) -> None:
        """Writes the journal, so that a killed command can be undone too."""
        facts = {"command": self.command, "when": time.strftime("%Y-%m-%d %H:%M:%S"), "replaced": self.replaced}
        facts |= {"created": self.created, "moved": self.moved, "rows": self.rows}
        write_text(self.place / "journal.json", json.dumps(facts, ensure_ascii=False), sync=False)

    def drop(self) -> None:
        """Forgets a journal of nothing."""
        shutil.rmtree(self.place, ignore_errors=True)

    @property
    def empty(self) -> bool:
        """Whether nothing was changed."""
        return not (self.replaced or self.created or self.moved)


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
    if not Path(record.image.path).is_absolute():
        return {"jpeg": ".jpg"}.get(record.encoding.partition(":")[0], "." + record.encoding.partition(":")[0])
    return source.suffix


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
        self.by_key = {w.key: w for w in self.rows.values()}
        self.done = Published()
        self.vacated: set[str] = set()

    def run(self, records: Sequence[Record], paths: Mapping[str, PurePosixPath]) -> Published:
        wanted = self.wanted(records, paths)
        todo = [w for w in wanted if not self._right(*w)]
        self.done.unchanged = len(wanted) - len(todo)
        self.done.edited = [r.key for r in records if r.edited is not None]
        self.store.intend(row for _, _, row in todo)
        targets = {row.path for _, _, row in wanted}
        fresh: list[Written] = []
        for record, source, row in todo:
            placed = self._place(record, source, row, targets)
            if placed is not None:
                fresh.append(placed)
        self._remove_stale({row.path for _, _, row in wanted}, {row.caption_path for _, _, row in wanted})
        self.store.wrote(fresh)
        for record in records:
            if record.edited is not None:
                self.store.keep_edit(record.origin, record.key, record.edited)
        _forget_old_names(self.store)
        self.store.settle()
        return self.done

    def wanted(self, records: Sequence[Record], paths: Mapping[str, PurePosixPath]) -> list[tuple[Record, Path, Written]]:
        """Each record with the file its picture comes from and the row it should have. Raises InputError where one is gone."""
        sources = [self.env.path(r.image) for r in records]
        wanted: list[tuple[Record, Path, Written]] = []
        for record, (source, digest) in zip(records, self.store.digests(sources), strict=True):
            if isinstance(digest, OSError):
                raise InputError(
                    f"{source} is gone: {digest.strerror}", "leave the input folder alone while curate runs, then run again"
                )
            wanted.append((record, source, self._row(record, source, digest, paths[record.key])))
        return wanted

    def stands(self, records: Sequence[Record], paths: Mapping[str, PurePosixPath]) -> bool:
        """Whether `run` would find nothing to do."""
        wanted = self.wanted(records, paths)
        targets = {row.path for _, _, row in wanted}
        return not (self.rows.keys() - targets) and not self.store.intended() and all(self._right(*w) for w in wanted)

    def _row(self, record: Record, source: Path, digest: str, path: PurePosixPath) -> Written:
        text = captions.render(record)
        name = path.with_suffix(record.style.extension).as_posix() if text else ""
        kept = to_plain(dataclasses.replace(record, edited=None, aside=""))
        return Written(path.as_posix(), record.key, record.origin, digest, source.stat().st_size, 0, name, text, kept)

    def _right(self, record: Record, source: Path, row: Written) -> bool:
        """Whether folder and ledger already say what is wanted."""
        known = self.rows.get(row.path)
        if known is None or dataclasses.replace(row, mtime=known.mtime, record=known.record) != known:
            return False
        text = record.edited if record.edited is not None else row.caption
        if record.edited is None and json.dumps(row.record, sort_keys=True) != json.dumps(dict(known.record), sort_keys=True):
            return False
        if source != self.folder / row.path and not unchanged(self.folder, known):
            return (self.folder / row.path).exists() and self._hand_made(row)
        found = _read(self.folder / row.caption_path) if row.caption_path else ""
        return found is not None and same_text(found, text)

    def _hand_made(self, row: Written) -> bool:
        self.tell(Note("warning", f"{row.path} was changed by hand: it is kept as it is", key=row.key))
        return True

    def _place(self, record: Record, source: Path, row: Written, targets: set[str]) -> Written | None:
        target = self.folder / row.path
        known, before = self.rows.get(row.path), self.by_key.get(record.key)
        with disk_errors(str(target)):
            same = source.absolute() == target.absolute()
            if same or (known is not None and known.digest == row.digest and unchanged(self.folder, known)):
                pass
            elif target.exists() and known is None and digest_file(target) != row.digest:
                self.tell(
                    Note("warning", f"{row.path} is not curate's: it is left alone, {record.key} is not written", key=row.key)
                )
                return None
            elif known is not None and target.exists() and not unchanged(self.folder, known):
                self._hand_made(row)
            elif before and before.path != row.path and before.path not in targets and self._moved_by_hand(before, target):
                self.tell(Note("warning", f"{before.path} was changed by hand: kept, now as {row.path}", key=row.key))
            else:
                self._picture(source, target, known)
            self._caption(record, row)
            stat = target.stat()
        return dataclasses.replace(row, mtime=stat.st_mtime_ns)

    def _moved_by_hand(self, before: Written, target: Path) -> bool:
        """An edited picture whose place changes goes along, edits and all."""
        old = self.folder / before.path
        if not old.exists() or target.exists() or unchanged(self.folder, before):
            return False
        target.parent.mkdir(parents=True, exist_ok=True)
        old.replace(target)
        return True

    def _picture(self, source: Path, target: Path, known: Written | None) -> None:
        self.done.pictures += 1
        inside = (
            self.journal is not None and self.folder in source.parents and LEDGER not in source.relative_to(self.folder).parts
        )
        if inside and self.journal is not None and not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            self.journal.moving(source, target)
            source.replace(target)
            self.vacated.add(source.relative_to(self.folder).as_posix())
            return
        if self.journal is not None:
            self.journal.replacing(target)
        copy_file(source, target)

    def _caption(self, record: Record, row: Written) -> None:
        text = record.edited if record.edited is not None else row.caption
        if not text:
            return
        path = self.folder / (row.caption_path or PurePosixPath(row.path).with_suffix(record.style.extension))
        found = _read(path)
        if found is not None and same_text(found, text):
            return
        if self.journal is not None:
            self.journal.replacing(path)
        self.done.captions += 1
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, text)

    def _remove_stale(self, pictures: set[str], texts: set[str]) -> None:
        """Takes away pictures and captions of ours that have no place any more; what a person changed stays."""
        stale = [w for w in self.rows.values() if w.path not in pictures]
        edits = self.store.edits()
        for row in stale:
            path = self.folder / row.path
            if path.exists():
                if not unchanged(self.folder, row):
                    self.tell(
                        Note(
                            "warning", f"{row.path} was changed by hand and is no longer part of the dataset: it is left there"
                        )
                    )
                else:
                    self._remove(path)
            if row.caption_path and row.caption_path not in texts:
                self._remove_caption(row, edits.get((row.origin, row.key)))
            prune_empty(path.parent, self.folder)
        for row in self.rows.values():
            if row.path in pictures and row.caption_path and row.caption_path not in texts:
                self._remove_caption(row, edits.get((row.origin, row.key)))
        self.store.forget_written(w.path for w in stale)

    def _remove_caption(self, row: Written, edit: str | None) -> None:
        path = self.folder / row.caption_path
        found = _read(path)
        if found is not None and (same_text(found, row.caption) or (edit is not None and same_text(found, edit))):
            self._remove(path)

    def _remove(self, path: Path) -> None:
        self.done.removed += 1
        if self.journal is not None:
            self.journal.replacing(path)
        with disk_errors(str(path)):
            path.unlink(missing_ok=True)


# undoing -----------------------------------------------------------------------------------------------------------------


def undo(folder: Path, store: Store) -> tuple[str, int]:
    """Takes back the last in-place command; returns its command line and the number of files put back.

    Raises InputError where there is nothing to undo, or where a file was changed since.
    """
    root = store.root / "undo"
    places = sorted(p for p in root.glob("*") if p.name.isdigit() and (p / "journal.json").is_file())
    if not places:
        raise InputError(f"nothing to undo in {folder}")
    place = places[-1]
    facts = json.loads((place / "journal.json").read_text(encoding="utf-8"))
    for relative in facts["created"]:
        (folder / relative).unlink(missing_ok=True)
        prune_empty((folder / relative).parent, folder)
    for old, new in reversed(facts["moved"]):
        if (folder / new).exists():
            (folder / old).parent.mkdir(parents=True, exist_ok=True)
            (folder / new).replace(folder / old)
            prune_empty((folder / new).parent, folder)
    for relative in facts["replaced"]:
        copy_file(place / "files" / relative, folder / relative)
    store.forget_written(list(store.written()))
    rows = [Written(**row) for row in facts["rows"]]
    store.wrote(_timed(folder, row) for row in rows)
    store.settle()
    shutil.rmtree(place)
    return facts["command"], len(facts["created"]) + len(facts["moved"]) + len(facts["replaced"])


def _timed(folder: Path, row: Written) -> Written:
    try:
        return dataclasses.replace(row, mtime=(folder / row.path).stat().st_mtime_ns)
    except OSError:
        return row
