"""Changes: what a request changes in the folder, each as one entry of the journal that `curate undo` takes back."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Generator, Sequence
from typing import Any

from curate import folder
from curate.core.lock import run_lock
from curate.core.old_files import OldFiles
from curate.core.store import Store, ledger_place
from curate.errors import InputError, LockedError
from curate.review.answers import Refused
from curate.review.edits import EditRequest, edit_of, summary
from curate.review.entry import Entry
from curate.review.index import Index
from curate.tags_edit import Change, plan, write

_PATIENCE = 1.0
"""Seconds for which another command's short hold of the folder is waited for."""
_AS_TAGS = (
    "Saved, but a part of it reads as tags: a caption is one line, and only longer sentences are told from tags. "
    "Begin with a capital letter, write at least five words, and end with a full stop."
)
_JOINED = "Saved as one line: trainers read the first line of a caption alone, so your lines were joined."
_NEWER = "changed on disk meanwhile"


class Changes:
    """Carries out what the page asks for, one request at a time."""

    def __init__(self, index: Index, detail: Callable[[Entry], dict[str, Any]], old: OldFiles) -> None:
        """`detail` is what the page is told of one picture; `old` keeps the captions that are replaced."""
        self._index, self._detail, self._old = index, detail, old

    def edit(self, request: EditRequest) -> dict[str, Any]:
        """Changes captions, or only says how. Raises Refused where the one picture's file is another than shown."""
        change = edit_of(request)
        with self._index.lock:
            self._index.refresh()
            entries, skipped = self.entries(request.ids)
            for entry in list(entries):
                shown = request.expected.get(entry.id)
                if entry.caption is None:
                    self._skip(
                        entries, skipped, entry, "it is set aside" if entry.aside else "its caption cannot be read"
                    )
                elif shown is not None and not folder.same_text(shown.strip(), entry.caption.raw):
                    self._skip(entries, skipped, entry, _NEWER)
            self._check_one(request.ids, skipped)
            ids = {id(e.caption): e.id for e in entries}
            edited = plan([e.caption for e in entries if e.caption is not None], change, edited_too=True)
            if not request.preview and edited.changes:
                with self.ledger() as (store, is_current):
                    title = summary(request, [ids[id(c.caption)] for c in edited.changes])
                    by_hand = len(request.ids) == 1
                    done = write(self._index.target, store, edited.changes, title, by_hand=by_hand, old=self._old)
                    if is_current:
                        self._index.rewrote(entries, done)
                if done.newer or not is_current:
                    self._index.refresh()
                skipped += [{"id": ids[id(one)], "reason": _NEWER} for one in done.newer]
                self._check_one(request.ids, skipped)
            left = {one["id"] for one in skipped}
            changes = [_row(one, c) for c in edited.changes if (one := ids[id(c.caption)]) not in left]
            return {"changes": changes, "skipped": skipped, "revision": self._index.revision,
                    "note": self._read_otherwise(request)}  # fmt: skip

    def _read_otherwise(self, request: EditRequest) -> str:
        """Says so where lines that were written became one, or a sentence reads as tags."""
        entry = self._index.get(request.ids[0])
        if request.preview or entry is None or entry.caption is None:
            return ""
        if request.operation == "text" and entry.caption.form != "lines" and "\n" in request.text.strip():
            return _JOINED
        if request.operation != "sentence":
            return ""
        asked = " ".join(request.text.split())
        return _AS_TAGS if asked and entry.caption.record.sentence != asked else ""

    def undo(self) -> dict[str, Any]:
        """Takes back the last entry of the journal, whoever made it. Raises InputError where files changed since."""
        undone = None
        with self._index.lock:
            if self._index.in_ledger():
                with self.ledger() as (store, _):
                    if folder.has_undo(store.root):
                        undone, _ = folder.undo(self._index.target, store, self._old)
                    folder.read_changes(self._index.target, store, lambda _: None)
                self._index.refresh()
            return {"undone": undone, "revision": self._index.revision}

    def entries(self, ids: Sequence[str]) -> tuple[list[Entry], list[dict[str, str]]]:
        """The pictures of these ids, each once, and those that are not there."""
        wanted = dict.fromkeys(ids)
        found = self._index.among(wanted)
        skipped = [{"id": id, "reason": "no longer there"} for id in wanted if id not in found]
        return [found[id] for id in wanted if id in found], skipped

    @staticmethod
    def _skip(entries: list[Entry], skipped: list[dict[str, str]], entry: Entry, reason: str) -> None:
        entries.remove(entry)
        skipped.append({"id": entry.id, "reason": reason})

    def _check_one(self, ids: Sequence[str], skipped: Sequence[dict[str, str]]) -> None:
        """Raises Refused with the picture as it is now, where the only one asked for could not be changed."""
        if len(ids) != 1 or not skipped:
            return
        entry, reason = self._index.get(ids[0]), skipped[0]["reason"]
        if entry is None:
            raise Refused(404, "the picture is no longer there", now=None)
        message = "the caption was changed on disk meanwhile" if reason == _NEWER else f"not changed: {reason}"
        raise Refused(409, message, now=self._detail(entry))

    def check_writable(self) -> None:
        """Raises InputError where the folder takes no file."""
        target = self._index.target
        if ledger_place(target) != target:
            raise InputError(f"{target} is read-only, so nothing in it can be changed", "copy it, and review the copy")

    @contextlib.contextmanager
    def ledger(self) -> Generator[tuple[Store, bool]]:
        """The folder's ledger, locked, and whether it is as the index knows it.

        Raises LockedError where a run works on it, InputError where it takes no file.

        What another command does in a moment is waited for.
        """
        target = self._index.target
        self.check_writable()
        end = time.monotonic() + _PATIENCE
        with contextlib.ExitStack() as stack:
            while True:
                try:
                    stack.enter_context(run_lock(target))
                    break
                except LockedError:
                    if time.monotonic() > end:
                        raise
                    time.sleep(0.05)
            is_current = self._index.ledger.is_current()  # asked first: opening it may make it
            yield stack.enter_context(Store(target)), is_current


def _row(id: str, change: Change) -> dict[str, str]:
    return {"id": id, "before": change.caption.raw, "after": change.after}
