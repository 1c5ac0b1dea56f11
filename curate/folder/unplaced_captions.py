"""Unplaced captions: edited captions that have no picture in the folder are kept where a person finds them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from curate.core.events import Note
from curate.core.files import write_text
from curate.core.record import Record
from curate.core.store import Store
from curate.core.user_changes import Identity, Unplaced
from curate.folder.compare import read_text, same_text
from curate.folder.state import FolderState
from curate.names import safe

FOLDER = "unplaced captions"
"""The folder inside a prepared one; it holds no pictures, so that no trainer takes it for a concept."""


def unplaced(store: Store, records: Sequence[Record]) -> dict[Identity, str]:
    """The edited captions that none of the records carries, but for those that a person removed with their picture."""
    edits = store.edits()
    if not edits:
        return {}
    placed = {(r.origin, r.key) for r in records if (r.origin, r.key) in edits}
    given_up = {identity for identity, removal in store.removed().items() if not removal.captioned}
    return {one: text for one, text in edits.items() if one not in placed and one not in given_up}


def is_current(state: FolderState, records: Sequence[Record]) -> bool:
    """Whether every such caption has its file, and no other has one; tells of those that do."""
    known = {one.identity: one.text for one in state.store.unplaced().values()}
    texts = unplaced(state.store, records)
    if known != texts:
        return False
    _tell(state, texts)
    return True


def missing(state: FolderState, records: Sequence[Record]) -> dict[Identity, str]:
    """The paths that `write` is about to give edited captions that have neither a picture nor a file yet.

    The ledger knows them before (`Store.intend`): after a kill a file that is not there was not removed by a person.
    """
    files = state.store.unplaced()
    known = {one.identity for one in files.values()}
    paths: dict[Identity, str] = {}
    for identity, text in sorted(unplaced(state.store, records).items()):
        if identity not in known:
            paths[identity] = _free_path(state.folder, identity, text, {*files, *paths.values()})
    return paths


def write(state: FolderState, records: Sequence[Record]) -> None:
    """Writes files of edited captions that have no picture any more."""
    files, new = state.store.unplaced(), missing(state, records)
    known = {one.identity: path for path, one in files.items()} | new
    texts = unplaced(state.store, records)
    for identity, text in sorted(texts.items()):
        path = known[identity]
        if identity in new:
            # noted before it is there: what a person does with the file after a kill is an edit then
            state.store.keep_unplaced(path, Unplaced(identity, text))
        found = read_text(state.folder / path)
        if found is not None and path in files and not same_text(found, files[path].text):
            continue  # edited in the meantime: the next run reads it
        if found is None or not same_text(found, text):
            if state.journal is not None:
                state.journal.replacing(state.folder / path)
            write_text(state.folder / path, text)
        state.store.keep_unplaced(path, Unplaced(identity, text))
    _tell(state, texts)


def obsolete(store: Store, records: Sequence[Record]) -> set[str]:
    """The paths of files whose caption has found its picture, or was given up with it."""
    texts = unplaced(store, records)
    return {path for path, one in store.unplaced().items() if one.identity not in texts}


def remove(state: FolderState, records: Sequence[Record]) -> None:
    """Takes `obsolete` files away, but for those that a person edited in the meantime.

    The ledger knows what is about to go (`Store.intend`): after a kill a file that is gone was not removed by a person.
    """
    files = state.store.unplaced()
    for path in sorted(obsolete(state.store, records)):
        text = read_text(state.folder / path)
        if text is not None and not same_text(text, files[path].text):
            continue
        if text is not None:
            state.remove(state.folder / path)
        state.store.forget_unplaced([path])


def _path(identity: Identity, number: int = 0) -> str:
    concept, _, name = identity[1].partition("/")
    stem = safe((name or concept).replace("/", "_")) + (f"-{number}" if number else "")
    return PurePosixPath(FOLDER, safe(concept), stem + ".txt").as_posix()


def _free_path(folder: Path, identity: Identity, text: str, taken: set[str]) -> str:
    """`concept/picture.png.txt`, numbered where another text is there already."""
    number = 0
    while True:
        path = _path(identity, number)
        found = read_text(folder / path)
        if path not in taken and (found is None or same_text(found, text)):
            return path
        number += 1


def _tell(state: FolderState, texts: dict[Identity, str]) -> None:
    removed = state.store.removed()
    for identity in sorted(texts):
        why = "you removed a picture with an edited caption"
        if identity not in removed:
            why = "the source picture of an edited caption is gone"
        message, key = f'{why}: the caption is kept in the folder "{FOLDER}"', identity[1]
        state.tell(Note("warning", message, key=key))
