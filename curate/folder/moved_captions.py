"""Moved captions: where captions are whose pictures a person moved, or removed before their folder was renamed."""

from __future__ import annotations

import dataclasses
from collections.abc import MutableMapping, Sequence
from pathlib import Path, PurePosixPath

from curate.core.store import Store
from curate.core.written import Written
from curate.folder import unplaced_captions
from curate.folder.compare import caption_path, is_any_of, read_text
from curate.folder.listing import files
from curate.folder.renamed_folders import Move, folders_after
from curate.names import folder_name


def caption_of_move(folder: Path, row: Written, new: str) -> str:
    """Where the caption of a moved picture is: see rule 4 of `moves`. "" where it has none."""
    if not row.caption_path:
        return ""
    old, moved = PurePosixPath(row.caption_path), PurePosixPath(new)
    beside = moved.with_suffix(old.suffix)
    for place in (beside, moved.parent / old.name, old):
        if (folder / place).exists():
            return place.as_posix()
    return caption_path(folder, dataclasses.replace(row, path=new, caption_path=beside.as_posix()))


def find_captions(folder: Path, store: Store, rows: MutableMapping[str, Written], moves: Sequence[Move]) -> None:
    """A picture that was removed may have left its caption in a folder that was renamed since.

    Where no other picture tells, a text of ours is taken for a copy of the person's own, unless repeats alone changed.
    """
    present = {(row.origin, row.key) for row in rows.values() if (folder / row.path).exists()}
    lost = [r for r in rows.values() if r.caption_path and _is_gone(folder, r) and (r.origin, r.key) not in present]
    if not lost:
        return
    renamed = folders_after(folder, moves)
    known, past = store.edits(), store.past_edits()
    captions = {row.caption_path for row in rows.values()}
    free: dict[str, list[PurePosixPath]] = {}
    for path in map(PurePosixPath, files(folder)):
        if path.as_posix() not in captions and path.parts[0] != unplaced_captions.FOLDER:
            free.setdefault(path.name, []).append(path)
    for row in lost:
        old = PurePosixPath(row.caption_path)
        places = free.get(old.name, [])
        became = renamed.get(old.parent.as_posix(), ())
        voted = [path for path in places if path.parent.as_posix() in became]
        if not became and len(places) == 1 and not (folder / old.parent).exists():
            identity = (row.origin, row.key)
            ours = is_any_of(read_text(folder / places[0]), row.caption, known.get(identity), *past.get(identity, ()))
            if not ours or folder_name(places[0].parent.name).words == folder_name(old.parent.name).words:
                voted = places
        if len(voted) == 1:
            [whole] = store.with_records([row]).values()
            rows[row.path] = dataclasses.replace(whole, caption_path=voted[0].as_posix())
            store.wrote([rows[row.path]])


def _is_gone(folder: Path, row: Written) -> bool:
    return not (folder / row.path).exists() and not (folder / row.caption_path).exists()
