"""Edits of the captions in a folder, in bulk or one by one: planned, written with a journal, kept as the person's."""

from __future__ import annotations

import contextlib
import difflib
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from curate import captions, folder
from curate.captioned import Captioned
from curate.core.caption_options import CaptionReading
from curate.core.events import Listener
from curate.core.files import inside, read_bytes, write_bytes
from curate.core.lock import check_unlocked, run_lock
from curate.core.old_files import OldFiles
from curate.core.store import LEDGER, Store
from curate.errors import CurateError, InputError
from curate.tags_folder import read, silent
from curate.tags_rules import Rule

_READING = CaptionReading()

Edit = Callable[[Captioned], str | None]
"""The new text of a caption, None where it stays as it is."""


@dataclass(frozen=True, slots=True)
class Change:
    """A caption before and after."""

    caption: Captioned
    after: str


@dataclass(frozen=True, slots=True)
class Edited:
    """What a bulk edit did, or would do: changes, and captions left alone since a person edited them."""

    changes: tuple[Change, ...]
    skipped: tuple[Captioned, ...]


@dataclass(frozen=True, slots=True)
class NewFile:
    """What was written to a caption's file, and the time of change in nanoseconds that the file was given.

    Systems note a change to the millisecond or so: another change soon after, of as many bytes, has another time.
    """

    data: bytes
    mtime: int

    @property
    def stamp(self) -> tuple[int, int]:
        """Time of change, and number of bytes: as long as the file has these, nobody else changed it."""
        return self.mtime, len(self.data)


@dataclass(frozen=True, slots=True)
class WriteResult:
    """What became of changes that were to be written.

    newer  captions whose files somebody changed in the meantime: they stay as they are, the person's word is newer
    files  what was written, by the caption's file
    bulk   what counts as a bulk edit of that, by the picture's path in the folder
    """

    newer: Sequence[Captioned]
    files: Mapping[str, NewFile]
    bulk: Mapping[str, str]


def edit(
    target: Path,
    rule: Rule,
    command: str,
    *,
    concepts: Sequence[str] = (),
    edited_too: bool = False,
    in_place: bool = False,
    dry_run: bool = False,
    reading: CaptionReading = _READING,
    tell: Listener = silent,
) -> Edited:
    """Applies a rule to every caption and writes what changed, unless it is a dry run; `curate undo` takes it back.

    Raises InputError for a folder that curate did not prepare where `in_place` does not allow it, and LockedError
    where a run is at the folder.
    """
    check_allowed(target, in_place=in_place or dry_run)
    if not dry_run:
        check_unlocked(target)
    edited = plan(read(target, concepts, reading, tell), by_rule(rule), edited_too=edited_too)
    if edited.changes and not dry_run:
        with run_lock(target), Store(target) as store:
            newer = write(target, store, edited.changes, command).newer
        left = {one.path for one in newer}
        return Edited(tuple(c for c in edited.changes if c.caption.path not in left), (*edited.skipped, *newer))
    return edited


def check_allowed(target: Path, *, in_place: bool) -> None:
    """Raises InputError for a folder that curate did not prepare where `in_place` does not allow it."""
    if not (in_place or (target / LEDGER / "ledger.sqlite").is_file()):
        raise InputError(
            f"{target} was not created by curate, so its captions are not changed without --in-place",
            "give --in-place, which keeps the originals for `curate undo`",
        )


def by_rule(rule: Rule) -> Edit:
    """The edit that gives captions the tags of a rule."""

    def text(one: Captioned) -> str | None:
        tags = tuple(dict.fromkeys(rule(one.record.tags, one.fixed)))
        return None if tags == one.record.tags else one.rendered(tags)

    return text


def plan(rows: Iterable[Captioned], change: Edit, *, edited_too: bool) -> Edited:
    """What an edit would do to captions; those that a person edited one by one are skipped unless `edited_too`."""
    changes: list[Change] = []
    skipped: list[Captioned] = []
    for one in rows:
        after = change(one)
        if after is None:
            continue
        if one.hand and not edited_too:
            skipped.append(one)
        else:
            changes.append(Change(one, after))
    return Edited(tuple(changes), tuple(skipped))


def write(
    target: Path,
    store: Store,
    changes: Sequence[Change],
    command: str,
    *,
    by_hand: bool = False,
    old: OldFiles | None = None,
) -> WriteResult:
    """Writes captions as one entry of the journal, but for those whose files somebody changed in the meantime.

    The caller holds the folder's lock. `by_hand` says that the person changed each of these captions on its own, so
    that later bulk edits leave them alone. `old` keeps the files that are replaced, for the caller to free. Where the
    disk refuses in the middle, what was written is taken back.
    """
    journal = folder.Journal.begin(target, store, command, moves_pictures=False)
    newer: list[Captioned] = []
    written: dict[str, Change] = {}
    files: dict[str, NewFile] = {}
    relative = inside(target)
    paths = [relative(change.caption.path) for change in changes]
    rows = store.written_at(paths, records=False)
    try:
        with journal.open_steps():
            for change, path in zip(changes, paths, strict=True):
                one, file = change.caption, change.caption.file
                before = _content(file)
                if not _is_as_read(before, one):
                    newer.append(one)
                    continue
                after = change.after.encode("utf-8", "surrogatepass")
                journal.rewriting(name := relative(file), before, after)
                if (row := rows.get(path)) is not None:
                    generated = folder.same_text(one.raw, row.caption)
                    journal.owning(name, row, "generated" if generated else "edited")
                if old is not None and before is not None:
                    old.keep(file)
                files[file] = new = NewFile(after, time.time_ns())
                write_bytes(file, after, sync=False, mtime=new.mtime)
                written[path] = change
        journal.finish()
    except (CurateError, OSError):
        with contextlib.suppress(CurateError, OSError):
            folder.undo(target, store)
        raise
    if journal.empty:
        journal.drop()
    texts = {path: change.after for path, change in written.items()}
    bulk = {path: text for path, text in texts.items() if not (by_hand or written[path].caption.hand)}
    folder.keep_bulk_edits(store, bulk, rows)
    folder.keep_caption_edits(target, store, {path: rows[path] for path in texts if path in rows}, texts)
    return WriteResult(newer, files, bulk)


def _content(file: str) -> bytes | None:
    """What a file holds now; None without one."""
    try:
        return read_bytes(file)
    except (FileNotFoundError, NotADirectoryError):
        return None


def _is_as_read(data: bytes | None, one: Captioned) -> bool:
    """Whether a caption's file still says what was read of it; no file is as good as an empty one."""
    if data == one.raw.encode("utf-8", "surrogatepass"):
        return True
    try:
        text = captions.decode(data, one.encoding).text.strip() if data is not None else ""
    except ValueError:
        return False
    return folder.same_text(text, one.raw)


def count(rows: Sequence[Captioned]) -> dict[str, Counter[str]]:
    """How many captions of each concept hold each tag."""
    counts: dict[str, Counter[str]] = {}
    for one in rows:
        counts.setdefault(one.concept, Counter()).update(dict.fromkeys(one.tags, 1))
    return counts


def difference(change: Change, separator: str = ",") -> list[tuple[str, str]]:
    """The caption's pieces with " ", "-" or "+" before them, in reading order."""
    before, after = ([p.strip() for p in t.split(separator) if p.strip()] for t in (change.caption.text, change.after))
    pieces: list[tuple[str, str]] = []
    for kind, i, j, k, m in difflib.SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        if kind == "equal":
            pieces += [(" ", p) for p in before[i:j]]
        else:
            pieces += [("-", p) for p in before[i:j]] + [("+", p) for p in after[k:m]]
    return pieces
