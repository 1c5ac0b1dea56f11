"""Removals: pictures that a person removes from the prepared folder, or wants again."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from curate import picture_names
from curate.core.disk_errors import disk_errors
from curate.core.store import Store
from curate.core.user_changes import Identity
from curate.folder.compare import caption_path, is_any_of, read_text
from curate.folder.journal import Journal


def remove(folder: Path, store: Store, journal: Journal, paths: Collection[str]) -> None:
    """Removes pictures that curate wrote, and their captions, as a person would: the next run sets them aside.

    The journal keeps the files. Raises CurateError where the disk refuses.
    """
    rows = store.written()
    for path in paths:
        caption = caption_path(folder, rows[path])
        # a caption that is gone while its picture is there was given up: after a kill its edit would be lost
        for name in (path, caption):
            file = folder / name
            if name and file.is_file():
                journal.replacing(file)
                with disk_errors(str(file)):
                    file.unlink()


def matching_removals(store: Store, patterns: Sequence[str]) -> list[tuple[str, str]]:
    """The identities of removed pictures that the names or patterns mean; all of them without any."""
    return sorted(
        identity
        for identity in store.removed()
        if not patterns or picture_names.match(identity[1], patterns) is not None
    )


def restore(folder: Path, store: Store, patterns: Sequence[str], command: str = "") -> list[str]:
    """Takes removals back and returns the keys of the pictures: the next run prepares them again."""
    return restore_pictures(folder, store, matching_removals(store, patterns), command)


def restore_pictures(folder: Path, store: Store, identities: Collection[Identity], command: str = "") -> list[str]:
    """Takes the removals of these pictures back, and returns their keys.

    With the words of a `command`, that can be undone.
    """
    removed = store.removed()
    restored = {identity: removed[identity] for identity in identities if identity in removed}
    journal = Journal.begin(folder, store, command, moves_pictures=False) if command and restored else None
    if journal is not None:
        journal.restoring(restored)
    store.forget_removed(identities)
    edits = store.edits()
    # a run that did not get far enough may have left what is known of them
    for row in store.written().values():
        if (row.origin, row.key) in identities and not (folder / row.path).exists():
            caption = folder / row.caption_path
            text = read_text(caption) if row.caption_path else None
            if is_any_of(text, row.caption, edits.get((row.origin, row.key))):
                if journal is not None:
                    journal.replacing(caption)
                caption.unlink()
            store.forget_written([row.path])
    store.commit()
    if journal is not None:
        journal.finish()
    return [key for _, key in identities]
