"""Obsolete files: takes away pictures and captions of ours that have no place in the folder any more."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Mapping

from curate import captions
from curate.core.events import Note
from curate.core.files import prune_empty
from curate.core.record import Record
from curate.core.store import LEDGER
from curate.core.written import Written
from curate.folder.compare import caption_path, picture_unchanged, read_text
from curate.folder.state import FolderState
from curate.names import fold


def remove_obsolete(state: FolderState, pictures: set[str], texts: set[str]) -> None:
    """Takes away pictures and captions of ours that have no place any more; what a person changed stays."""
    obsolete = [w for w in state.rows.each() if w.path not in pictures]
    kept = {fold(name): name for name in (*pictures, *texts)} if obsolete else {}
    for row in obsolete:
        path = state.folder / row.path
        present = path.exists() and not state.is_also(row.path, kept)
        if present and not picture_unchanged(state.folder, row):
            message = f"{row.path} was changed by hand and is no longer part of the dataset: it stays there"
            state.tell(Note("warning", message))
            continue
        # the picture goes last: after a kill it says whose the caption beside it is, wherever both were moved
        remove_caption(state, row, caption_path(state.folder, row), texts, kept)
        if present:
            state.remove(path)
        prune_empty(path.parent, state.folder)
    for row in state.rows.each():
        if row.path in pictures:
            remove_caption(state, row, row.caption_path, texts, kept)
    state.store.forget_written(w.path for w in obsolete)


def report_leftovers(state: FolderState, pictures: set[str]) -> None:
    """Names folders that our pictures left but a person's files keep alive: trainers would read them as concepts."""
    left = {posixpath.dirname(path) for path in state.rows} - {posixpath.dirname(path) for path in pictures}
    for name in sorted(left):
        if name and (state.folder / name).is_dir():
            message = (
                f"{name} still contains files that are not curate's, so a trainer treats it as a concept: move them out"
            )
            state.tell(Note("warning", message))


def remove_caption(state: FolderState, row: Written, name: str, texts: set[str], kept: Mapping[str, str]) -> None:
    """Takes the caption of a picture away if it is ours and no record wants one of that name."""
    if not name or name in texts or state.is_also(name, kept):
        return
    path = state.folder / name
    if state.wrote(row, read_text(path)):
        state.remove(path)


def remove_sources(state: FolderState, records: Iterable[Record], targets: set[str], texts: set[str]) -> None:
    """In place, a picture that went elsewhere leaves its old place, and so does the caption that came with it."""
    for record in records:
        source = state.env.path(record.image)
        if state.folder not in source.parents or LEDGER in source.relative_to(state.folder).parts:
            continue
        if source.relative_to(state.folder).as_posix() in targets:
            continue
        if source.exists():
            state.remove(source)
        beside = captions.caption_file(source)
        if beside is not None and beside.relative_to(state.folder).as_posix() not in texts:
            readings = captions.readings(read_text(beside) or "")
            if record.imported is not None and record.imported.strip() in readings:
                state.remove(beside)
        prune_empty(source.parent, state.folder)
