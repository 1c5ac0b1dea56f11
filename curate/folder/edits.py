"""Edits: what a person changed, moved or deleted in a prepared folder since it was written."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from curate import images
from curate.core.events import Listener, Note
from curate.core.files import digest_file, remove_leftovers
from curate.core.store import LEDGER, Store, Written
from curate.folder.compare import caption_of, read_text, same_as_one, same_text


def look(folder: Path, store: Store, tell: Listener) -> dict[tuple[str, str], str]:
    """Finds captions edited by hand since they were written, also in folders that were renamed; keeps them in the ledger.

    Returns all edits by (origin digest, record key).
    """
    for place in (folder, store.root, *(store.root / "objects").glob("*")):
        remove_leftovers(place)
    rows, edits = store.written(), store.edits()
    killed = _recover(folder, store, rows, edits)
    _follow(folder, store, rows, tell)
    for row in rows.values():
        text = caption_of(folder, row)
        about = (row.origin, row.key)
        if text is None:
            # after a kill the caption may not have been written yet: only a missing one in a settled folder was deleted
            if not killed and about in edits and (folder / row.path).exists():
                store.drop_edit(*about)
        elif same_text(text, row.caption):
            if about in edits and not (killed and _twice(rows, row)):
                store.drop_edit(*about)
        elif about not in edits or not same_text(text, edits[about]):
            store.keep_edit(*about, text)
    store.commit()
    return store.edits()


def _twice(rows: Mapping[str, Written], row: Written) -> bool:
    """Whether a picture stands at two paths: a run was killed on the way from one to the other."""
    return sum(w.key == row.key for w in rows.values()) > 1


def _recover(folder: Path, store: Store, rows: dict[str, Written], edits: Mapping[tuple[str, str], str]) -> bool:
    """After a kill: what had been written of the intentions becomes known as ours. True where there was a kill."""
    intended = store.intended()
    for place in {(folder / row.path).parent for row in intended}:
        remove_leftovers(place)
    done: list[Written] = []
    for row in intended:
        path, old = folder / row.path, rows.get(row.path)
        try:
            stat = path.stat()
            if stat.st_size != row.size or digest_file(path) != row.digest:
                continue
        except OSError:
            continue
        edit = edits.get((row.origin, row.key))
        if old is None or (row.caption_path and same_as_one(read_text(folder / row.caption_path), row.caption, edit)):
            if old is not None and old.caption_path and old.caption_path != row.caption_path:
                before = folder / old.caption_path
                if same_as_one(read_text(before), old.caption, edit):
                    before.unlink(missing_ok=True)
            known_as = row
        else:
            # the caption is still the old one, or a person's: either way the old text is what it is compared with
            known_as = dataclasses.replace(row, caption=old.caption, caption_path=old.caption_path)
        done.append(dataclasses.replace(known_as, mtime=stat.st_mtime_ns))
    store.wrote(done)
    rows.update({row.path: row for row in done})
    return bool(intended)


def _follow(folder: Path, store: Store, rows: dict[str, Written], tell: Listener) -> None:
    """Pictures of ours that a person moved or renamed keep their rows, under their new paths."""
    missing: dict[str, list[Written]] = {}
    for row in rows.values():
        if not os.path.exists(f"{folder}/{row.path}"):  # noqa: PTH110
            missing.setdefault(row.digest, []).append(row)
    if not missing:
        return
    strangers = [
        p
        for p in sorted(folder.rglob("*"))
        if LEDGER not in p.relative_to(folder).parts and p.is_file() and images.looks_like_picture(p)
    ]
    strangers = [p for p in strangers if p.relative_to(folder).as_posix() not in rows]
    for path, digest in store.digests(strangers):
        candidates = missing.get(digest, []) if isinstance(digest, str) else []
        if not candidates:
            continue
        # equal pictures are told apart by their names
        row = next((w for w in candidates if PurePosixPath(w.path).name == path.name), candidates[0])
        candidates.remove(row)
        new = path.relative_to(folder).as_posix()
        beside = (
            row.caption_path and path.with_suffix(PurePosixPath(row.caption_path).suffix).relative_to(folder).as_posix()
        )
        if beside and not (folder / beside).exists() and (folder / row.caption_path).exists():
            beside = row.caption_path
        moved = dataclasses.replace(row, path=new, mtime=path.stat().st_mtime_ns, caption_path=beside)
        store.forget_written([row.path])
        store.wrote([moved])
        del rows[row.path]
        rows[new] = moved
        tell(Note("info", f"{row.path} was moved by hand to {new}; its caption is followed", key=row.key))
