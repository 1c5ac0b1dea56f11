"""Recovery: after a kill, what had been written of a run's intentions becomes known as ours."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from curate.core.files import digest_file, prune_empty, remove_leftovers
from curate.core.packed import Packed
from curate.core.store import Store
from curate.core.user_changes import Identity
from curate.core.written import Written
from curate.folder.compare import is_any_of, read_text
from curate.folder.written_rows import ROWS, WrittenByKey, WrittenRows


@dataclass(frozen=True, slots=True)
class Recovery:
    """Whether a run was killed, pictures it was to write that are not in their place, and paths it was to take away."""

    interrupted: bool
    misplaced: Sequence[Written]
    removing: frozenset[str]


def recover(folder: Path, store: Store, rows: WrittenRows) -> Recovery:
    """Adds what a killed run had written to the ledger, and without records to `rows`.

    Files that it left behind are removed, unless `store` is a copy of the ledger in another folder.
    """
    if not store.is_interrupted:
        return Recovery(False, (), frozenset())
    owned = store.folder == folder
    for place, folders, _ in os.walk(folder) if owned else ():
        # all folders, since a person may have renamed the one that was being written
        folders[:] = [name for name in folders if not name.startswith(".")]
        if remove_leftovers(Path(place)):
            prune_empty(Path(place), folder)
    edits, by_key = _edits(store), rows.by_key()
    misplaced: Packed[Written] = Packed(packing=ROWS)
    for row in store.intended():
        try:
            written = _written(folder, row, rows, by_key, edits, owned)
        except OSError:
            misplaced.append(row)
            continue
        if written is not None:
            store.wrote([written])
            rows.replace([dataclasses.replace(written, stored="")])
    return Recovery(True, misplaced, frozenset(store.removing()))


def _written(
    folder: Path,
    row: Written,
    rows: WrittenRows,
    by_key: WrittenByKey,
    edits: Mapping[Identity, Sequence[str]],
    owned: bool,
) -> Written | None:
    """The row as it was written, None where its place holds something else. Raises OSError where it holds nothing."""
    path = folder / row.path
    stat = path.stat()
    if stat.st_size == row.size and digest_file(path) == row.digest:
        known = _with_old_caption(folder, row, rows.get(row.path), edits, owned)
        return dataclasses.replace(known, mtime=stat.st_mtime_ns)
    if row.path not in rows and _came_from(folder, by_key.get(row.key), row):
        # a picture that a person changed goes along unchanged; no time matches what is not ours
        return dataclasses.replace(row, mtime=0)
    return None


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
