"""Stale: takes away pictures and captions of ours that have no place in the folder any more."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping, Sequence
from pathlib import Path

from curate import captions
from curate.core.events import Note
from curate.core.files import prune_empty
from curate.core.record import Record
from curate.core.store import LEDGER, Written
from curate.folder.compare import caption_path, read_text, unchanged
from curate.folder.scene import Scene
from curate.names import fold


def remove_stale(scene: Scene, pictures: set[str], texts: set[str]) -> None:
    """Takes away pictures and captions of ours that have no place any more; what a person changed stays."""
    stale = [w for w in scene.rows.values() if w.path not in pictures]
    kept = {fold(name): name for name in (*pictures, *texts)} if stale else {}
    for row in stale:
        path = scene.folder / row.path
        if path.exists() and not scene.is_also(row.path, kept):
            if unchanged(scene.folder, row):
                scene.remove(path)
            else:
                said = f"{row.path} was changed by hand and is no longer part of the dataset: it is left there"
                scene.tell(Note("warning", said))
        _remove_caption(scene, row, caption_path(scene.folder, row), texts, kept)
        prune_empty(path.parent, scene.folder)
    for row in scene.rows.values():
        if row.path in pictures:
            _remove_caption(scene, row, row.caption_path, texts, kept)
    scene.store.forget_written(w.path for w in stale)


def tell_leftovers(scene: Scene, pictures: set[str]) -> None:
    """Names folders that our pictures have left but a person's files keep alive: trainers would read them as concepts."""
    left = {posixpath.dirname(path) for path in scene.rows} - {posixpath.dirname(path) for path in pictures}
    for name in sorted(left):
        if name and (scene.folder / name).is_dir():
            said = f"{name} still holds files that are not curate's: a trainer takes it for a concept; move them out"
            scene.tell(Note("warning", said))


def _remove_caption(scene: Scene, row: Written, name: str, texts: set[str], kept: Mapping[str, str]) -> None:
    if not name or name in texts or scene.is_also(name, kept):
        return
    path = scene.folder / name
    if scene.wrote(row, read_text(path)):
        scene.remove(path)


def remove_sources(scene: Scene, sources: Sequence[tuple[Record, Path]], targets: set[str], texts: set[str]) -> None:
    """In place, a picture that went elsewhere leaves its old place, and so does the caption that came with it."""
    for record, source in sources:
        if scene.folder not in source.parents or LEDGER in source.relative_to(scene.folder).parts:
            continue
        if source.relative_to(scene.folder).as_posix() in targets:
            continue
        if source.exists():
            scene.remove(source)
        beside = captions.caption_file(source)
        if beside is not None and beside.relative_to(scene.folder).as_posix() not in texts:
            readings = captions.readings(read_text(beside) or "")
            if record.imported is not None and record.imported.strip() in readings:
                scene.remove(beside)
        prune_empty(source.parent, scene.folder)
