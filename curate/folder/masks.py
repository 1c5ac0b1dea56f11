"""Masks beside a prepared folder's pictures: `masks/10_dog/a.png` says what of `10_dog/a.jpg` counts in training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

from curate.core.database import chunks
from curate.core.disk_errors import disk_errors
from curate.core.events import Note
from curate.core.file_batch import FileBatch
from curate.core.files import digest_bytes, digest_file, prune_empty
from curate.core.record import Record
from curate.core.store import STAGING
from curate.core.written import SideFile
from curate.errors import PictureError
from curate.folder import painted_masks
from curate.folder.state import FolderState
from curate.images import masks

_TOGETHER = 64
"""Masks that wait for the disk together; they are held in memory meanwhile, as files."""


def mask_targets(records: Sequence[Record], paths: Mapping[str, PurePosixPath]) -> dict[str, Record]:
    """The masks that belong in the folder, by path.

    Where one picture of a folder has a mask all get one, white where the whole counts: sd-scripts wants one for each.
    """
    masked = {paths[r.key].parent for r in records if r.mask}
    found: dict[str, Record] = {}
    for record in records if masked else ():
        path = paths[record.key]
        if path.parent in masked:
            found[(masks.FOLDER / path.with_suffix(".png")).as_posix()] = record
    return found


def is_current(state: FolderState, records: Sequence[Record], paths: Mapping[str, PurePosixPath]) -> bool:
    """Whether `update` would find nothing to do."""
    known, targets = state.store.side_files("mask"), mask_targets(records, paths)
    return (
        painted_masks.is_current(state, records, paths)
        and known.keys() == targets.keys()
        and all(
            known[path].source == _source(record) and (state.folder / path).is_file()
            for path, record in targets.items()
        )
    )


def update(state: FolderState, records: Sequence[Record], paths: Mapping[str, PurePosixPath]) -> None:
    """Writes the masks that are wanted and takes away those that are not; what a person changed stays as it is."""
    painted_masks.follow(state, records, paths)
    known, targets = state.store.side_files("mask"), mask_targets(records, paths)
    todo = [
        path
        for path, record in targets.items()
        if path not in known or known[path].source != _source(record) or not (state.folder / path).is_file()
    ]
    for part in chunks(todo, _TOGETHER):
        _draw(state, {path: targets[path] for path in part}, known)
    unwanted = known.keys() - targets.keys()
    for path in unwanted:
        if (state.folder / path).exists() and not _is_hand_made(state, path, known[path].digests):
            _remove(state, state.folder / path)
        # also where a kill came between the folder and the mask
        prune_empty((state.folder / path).parent, state.folder)
    state.store.forget_side_files(unwanted)


def _draw(state: FolderState, targets: Mapping[str, Record], known: Mapping[str, SideFile]) -> None:
    """Writes masks, unless a person drew one there."""
    drawn: dict[str, bytes] = {}
    intended: dict[str, SideFile] = {}
    written: dict[str, SideFile] = {}
    for path, record in targets.items():
        data = _drawn(state, record)
        digest, earlier = digest_bytes(data), known[path].digests if path in known else ()
        if not _is_hand_made(state, path, (*earlier, digest)):
            drawn[path] = data
            # both digests, so that whichever a kill leaves is known to be ours; no source, so it is written again then
            intended[path], written[path] = SideFile("", (digest, *earlier)), SideFile(_source(record), (digest,))
    state.store.keep_side_files("mask", intended)
    with FileBatch(state.store.root / STAGING) as files:
        for path, data in drawn.items():
            if state.journal is not None:
                state.journal.replacing(state.folder / path)
            files.write_bytes(state.folder / path, data)
    state.store.keep_side_files("mask", written)


def _source(record: Record) -> str:
    return f"{record.mask} {record.image.width} {record.image.height}"


def _drawn(state: FolderState, record: Record) -> bytes:
    width, height = record.image.width, record.image.height
    if not width or not height:
        height, width = state.env.pixels(record).shape[:2]
    whole = masks.white(width, height)
    if not record.mask:
        return masks.encoded(whole)
    try:
        return masks.encoded(masks.fitted(masks.read(state.env.root / record.mask), width, height))
    except PictureError as error:
        state.tell(Note("warning", f"{error}: the whole picture counts", key=record.key))
        return masks.encoded(whole)


def _is_hand_made(state: FolderState, path: str, ours: Sequence[str]) -> bool:
    """Whether a file stands there that we did not write; said where it does."""
    file = state.folder / path
    with disk_errors(str(file)):
        if not file.exists() or digest_file(file) in ours:
            return False
    state.tell(Note("warning", f"{path} was drawn by hand: it is kept as it is"))
    return True


def _remove(state: FolderState, path: Path) -> None:
    if state.journal is not None:
        state.journal.replacing(path)
    with disk_errors(str(path)):
        path.unlink(missing_ok=True)
