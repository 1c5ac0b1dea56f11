"""Removals: pictures that a person removed from the prepared folder are wanted again."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from curate import picture_names
from curate.core.store import Store
from curate.folder.compare import is_any_of, read_text


def matching_removals(store: Store, patterns: Sequence[str]) -> list[tuple[str, str]]:
    """The identities of removed pictures that the names or patterns mean; all of them without any."""
    return sorted(
        identity
        for identity in store.removed()
        if not patterns or picture_names.match(identity[1], patterns) is not None
    )


def restore(folder: Path, store: Store, patterns: Sequence[str]) -> list[str]:
    """Takes removals back and returns the keys of the pictures: the next run prepares them again."""
    identities = matching_removals(store, patterns)
    store.forget_removed(identities)
    edits = store.edits()
    # a run that did not get far enough may have left what is known of them
    for row in store.written().values():
        if (row.origin, row.key) in identities and not (folder / row.path).exists():
            caption = folder / row.caption_path
            text = read_text(caption) if row.caption_path else None
            if is_any_of(text, row.caption, edits.get((row.origin, row.key))):
                caption.unlink()
            store.forget_written([row.path])
    store.commit()
    return [key for _, key in identities]
