"""Recovery: after a kill, what had been written of a run's intentions becomes known as ours."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from curate.core.files import digest_file, prune_empty, remove_leftovers
from curate.core.store import Store, Written
from curate.core.user_changes import Identity
from curate.folder.compare import is_any_of, read_text


@dataclass(frozen=True, slots=True)
class Recovery:
    """Whether a run was killed, pictures it was to write that are not in their place, and paths it was to take away."""

    interrupted: bool
    misplaced: tuple[Written, ...]
    removing: frozenset[str]


def recover(folder: Path, store: Store, rows: MutableMapping[str, Written]) -> Recovery:
    """Adds to `rows` and the ledger what a killed run had written.

    Files that it left behind are removed, unless `store` is a copy of the ledger in another folder.
    """
    intended, removing = store.intended(), store.removing()
    owned = store.folder == folder
    for place, folders, _ in os.walk(folder) if owned and (intended or removing) else ():
        # all folders, since a person may have renamed the one that was being written
        folders[:] = [name for name in folders if not name.startswith(".")]
        if remove_leftovers(Path(place)):
            prune_empty(Path(place), folder)
    edits = _edits(store)
    by_key = {row.key: row for row in rows.values()} if intended else {}
    written: list[Written] = []
    misplaced: list[Written] = []
    for row in intended:
        path = folder / row.path
        try:
            stat = path.stat()
            if stat.st_size == row.size and digest_file(path) == row.digest:
                known = _with_old_caption(folder, row, rows.get(row.path), edits, owned)
                written.append(dataclasses.replace(known, mtime=stat.st_mtime_ns))
            elif row.path not in rows and _came_from(folder, by_key.get(row.key), row):
                # a picture that a person changed goes along unchanged; no time matches what is not ours
                written.append(dataclasses.replace(row, mtime=0))
        except OSError:
            misplaced.append(row)
    store.wrote(written)
    rows.update({row.path: row for row in written})
    return Recovery(bool(intended or removing), tuple(misplaced), frozenset(removing))


def _came_from(folder: Path, old: Written | None, row: Written) -> bool:
    """Whether the picture of a record is no longer where it was, so that the run had moved it."""
    return old is not None and old.path != row.path and not (folder / old.path).exists()


def _edits(store: Store) -> dict[Identity, list[str]]:
    """What a person wrote for each picture, now and before."""
    known = store.past_edits()
    for identity, text in store.edits().items():
        known.setdefault(identity, []).append(text)
    return known


def _with_old_caption(
    folder: Path, row: Written, old: Written | None, edits: Mapping[Identity, Sequence[str]], owned: bool
) -> Written:
    """The row, with the caption that was there before where the new one had not been written yet.

    A caption that is there twice loses its stale file where the folder is `owned`.
    """
    known = edits.get((row.origin, row.key), ())
    if old is None:
        return row
    before = read_text(folder / old.caption_path) if old.caption_path else None
    was_ours = before is None or is_any_of(before, old.caption, *known, *edits.get((old.origin, old.key), ()))
    moved = old.caption_path != row.caption_path
    if row.caption_path and is_any_of(read_text(folder / row.caption_path), row.caption, *known):
        if was_ours or not moved:
            if owned and old.caption_path and moved:
                (folder / old.caption_path).unlink(missing_ok=True)
            return row
        # a person edited the old caption while the new one was there already, under another suffix
        if owned:
            (folder / row.caption_path).unlink()
    # the caption is still the old one, or a person's: either way the old text is what it is compared with
    same_picture = (old.origin, old.key) == (row.origin, row.key)
    text = old.caption if same_picture or not was_ours or before is None else before
    return dataclasses.replace(row, caption=text, caption_path=old.caption_path)
