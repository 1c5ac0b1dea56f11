"""Edits: what a person changed, moved or removed in a prepared folder since it was written."""

from __future__ import annotations

import itertools
import os
import posixpath
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from curate.core.events import Listener, Note
from curate.core.files import prune_empty, remove_leftovers
from curate.core.packed import Packed
from curate.core.store import STAGING, Store
from curate.core.user_changes import Identity, Removal, RepeatsOverride, Unplaced
from curate.core.written import Written
from curate.folder.compare import caption_path, caption_text, is_any_of, plain_text, read_text, same_text
from curate.folder.duplicate_captions import DuplicateCaptions
from curate.folder.moves import follow_moves
from curate.folder.recovery import Recovery, recover
from curate.folder.undo import remove_leftovers_of_killed
from curate.folder.written_rows import ROWS, WrittenRows


@dataclass(frozen=True, slots=True)
class Changes:
    """A person's words on a prepared folder: edited captions, removed pictures, repeats by renaming."""

    edits: Mapping[Identity, str]
    removed: Mapping[Identity, Removal]
    repeats: Mapping[str, RepeatsOverride]


def read_changes(folder: Path, store: Store, tell: Listener) -> Changes:
    """Finds what a person changed since the folder was written, also in renamed folders; the ledger keeps it.

    With a copy of the ledger in another folder nothing of the folder is touched.
    """
    for place in (
        *([folder] if store.folder == folder else []),
        store.root,
        store.root / STAGING,
        *(store.root / "objects").glob("*"),
    ):
        remove_leftovers(place)
    if store.folder == folder:
        remove_leftovers_of_killed(folder, store.root)
    rows, edits = WrittenRows(store.each_written(records=False)), store.edits()
    # what stood there before the moves is asked for after a kill alone
    before = itertools.chain(rows.each(), store.intended(records=False)) if store.is_interrupted else ()
    known = Packed(before, packing=ROWS)
    places = {posixpath.dirname(path) for path in itertools.chain(rows, (row.path for row in known))}
    recovery = recover(folder, store, rows)
    moves = follow_moves(folder, store, rows, recovery.misplaced, edits, tell)
    if store.folder == folder:
        if recovery.interrupted:
            DuplicateCaptions(folder, store, rows, known, moves, tell).settle()
        for place in places | {posixpath.dirname(path) for path in recovery.removing}:
            prune_empty(folder / place, folder)
    missing = {path for path in rows if not os.path.exists(f"{folder}/{path}")}  # noqa: PTH110
    _keep_removals(folder, store, rows, missing, recovery, tell)
    _keep_edits(store, rows, lambda row: caption_text(folder, row), missing, recovery, tell)
    _read_unplaced(folder, store, recovery)
    store.commit()
    return Changes(store.edits(), store.removed(), store.repeats())


def keep_caption_edits(folder: Path, store: Store, rows: Mapping[str, Written], texts: Mapping[str, str]) -> None:
    """Keeps new captions as the person's edits, and commits; the same as `read_changes` does with those of all files.

    For who wrote these captions, given by picture path, and changed nothing else. `rows` are the pictures among them
    that curate wrote.
    """
    if store.is_interrupted:
        read_changes(folder, store, _silent)
        return
    _keep_edits(store, rows, lambda row: plain_text(texts[row.path]), set(), Recovery(False, (), frozenset()), _silent)
    store.commit()


def _silent(_: object) -> None:
    """Hears nothing."""


def _keep_removals(
    folder: Path,
    store: Store,
    rows: MutableMapping[str, Written],
    missing: set[str],
    recovery: Recovery,
    tell: Listener,
) -> None:
    """Pictures that are gone, and that no run was about to take away, were removed by a person."""
    if missing and missing == set(rows) and not recovery.interrupted:
        tell(Note("warning", "all prepared pictures were removed: they are made again, with the captions you edited"))
        store.forget_written(missing)
        rows.clear()
        return
    for identity, removal in store.removed().items():
        row = rows.get(removal.path)
        if (row is None or _identity(row) == identity) and (folder / removal.path).exists():
            store.forget_removed([identity])  # put back by hand
    gone = {path: _identity(rows[path]) for path in sorted(missing - recovery.removing)}
    if not gone:
        return
    sought = set(gone.values())
    present = {one for path, row in rows.items() if path not in missing and (one := _identity(row)) in sought}
    for path, identity in gone.items():
        if identity not in present:
            row = rows[path]
            beside = caption_path(folder, row)
            store.keep_removed(identity, Removal(path, bool(beside) and (folder / beside).exists()))


def _keep_edits(
    store: Store,
    rows: Mapping[str, Written],
    text_of: Callable[[Written], str | None],
    missing: set[str],
    recovery: Recovery,
    tell: Listener,
) -> None:
    """Captions whose text is not the one that was generated were edited; where it is again, the edit was taken back."""
    edits, past = store.edits(), store.past_edits()
    doubles = _doubles(rows)
    new: list[tuple[str, str, str]] = []
    for path, row in rows.items():
        text = text_of(row)
        identity = _identity(row)
        if text is None:
            # after a kill the caption may not have been written yet: only a missing one in a settled folder was removed
            if recovery.interrupted or path in missing or not (row.caption_path or identity in edits):
                continue
            tell(
                Note(
                    "warning",
                    "its caption was removed: it is generated again (for no caption, leave the file empty)",
                    key=row.key,
                )
            )
            store.drop_edit(*identity)
        elif recovery.interrupted and _is_older(text, doubles.get(identity, ()), past.get(identity, ())):
            continue
        elif same_text(text, row.caption):
            if identity in edits:
                store.drop_edit(*identity)
        elif identity not in edits or not same_text(text, edits[identity]):
            new.append((*identity, text))
            if identity in doubles:  # at two paths: the earlier edit of the two counts as past
                store.keep_edits(new)
                new.clear()
    store.keep_edits(new)


def _doubles(rows: Mapping[str, Written]) -> dict[Identity, list[str]]:
    """The captions generated for pictures that are at two paths, which few are; so hashes of the others are enough."""
    import numpy as np

    hashes = np.sort(np.fromiter((hash(_identity(row)) for row in rows.values()), np.int64, len(rows)))
    alike = frozenset(hashes[1:][hashes[1:] == hashes[:-1]].tolist())
    captions: dict[Identity, list[str]] = {}
    for row in rows.values() if alike else ():
        if hash(identity := _identity(row)) in alike:
            captions.setdefault(identity, []).append(row.caption)
    return {identity: several for identity, several in captions.items() if len(several) > 1}


def _identity(row: Written) -> Identity:
    return row.origin, row.key


def _is_older(text: str, generated: Sequence[str], past: Sequence[str]) -> bool:
    """Whether a picture that a kill left at two paths, on its way from one to the other, still has an older caption.

    Two paths may share one caption file: where a person renamed the old picture without it, and the new one has none
    yet. So the text may be the caption `generated` for either path. Of a picture at one path none is given.
    """
    return bool(generated) and is_any_of(text, *generated, *past)


def _read_unplaced(folder: Path, store: Store, recovery: Recovery) -> None:
    """Captions without a picture may be edited, or given up by removing their files; a killed run removed others."""
    for path, one in store.unplaced().items():
        text = read_text(folder / path)
        if text is None:
            if path not in recovery.removing:
                store.drop_edit(*one.identity)
            store.forget_unplaced([path])
        elif not same_text(text, one.text):
            store.keep_edit(*one.identity, text)
            store.keep_unplaced(path, Unplaced(one.identity, text))
