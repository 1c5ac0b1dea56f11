"""Painted masks: masks that a person painted on pictures of a folder. No run overwrites or removes their files."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from curate.core.events import Note
from curate.core.files import copy_file, digest_file, prune_empty, write_atomic, write_bytes
from curate.core.lock import run_lock
from curate.core.record import Record
from curate.core.store import Store, ledger_place
from curate.core.transform import Transform
from curate.core.user_changes import TRANSFORMED
from curate.core.written import SideFile
from curate.errors import InputError, PictureError
from curate.folder import mask_file
from curate.folder.instructions import identities
from curate.folder.journal import Journal
from curate.folder.state import FolderState
from curate.images import masks

KEPT = "painted"
"""The folder beside the ledger with masks as they were painted, by digest."""


def mask_path(path: str) -> str:
    """Where the mask of a picture of a folder is: `10_dog/a.jpg` has `masks/10_dog/a.png`."""
    return (masks.FOLDER / PurePosixPath(path).with_suffix(".png")).as_posix()


def keep_mask(folder: Path, path: str, mask: bytes | None) -> None:
    """Writes the mask that a person painted on a picture: white counts in training, black does not.

    `mask` is a picture file such as a PNG, of the size that the picture has; what is transparent counts as black. None
    removes the file: a run then writes the mask that it would have written. `curate undo` takes either back. Raises
    InputError where there is no such picture or the mask does not fit it, LockedError while a run is on.
    """
    place = ledger_place(folder)
    with run_lock(place), Store(place) as store:
        identity = identities(folder, store, [path])[path]
        name = mask_path(path)
        file = folder.absolute() / name
        row = store.written_at([path]).get(path)
        facts: Mapping[str, Any] = row.record.get("facts", {}) if row else {}
        data = None if mask is None else mask_file.encoded(_fitting(mask, folder / path), transform_in(facts))
        if data is None and not file.exists():
            return
        verb = "mask removed" if data is None else "mask painted"
        journal = Journal.begin(folder, store, f"review ({verb}: {path})", moves_pictures=False)
        journal.replacing(file)
        if row:
            journal.owning(name, row, "mask")
        if data is None:
            file.unlink()
            store.forget_painted_masks([name])
        else:
            # the ledger first: whatever a kill leaves, the mask is never taken for one of ours
            store.keep_painted_mask(name, identity)
            store.commit()
            write_atomic(file, lambda p: p.write_bytes(data))
        store.commit()
        journal.finish()


def moved(state: FolderState, records: Sequence[Record], paths: Mapping[str, PurePosixPath]) -> dict[str, str]:
    """The painted masks that are not beside their pictures' new paths yet: where each is, and where it belongs."""
    painted = state.store.painted_masks()
    owners = set(painted.values())
    if not owners:
        return {}
    places = {(r.origin, r.key): mask_path(paths[r.key].as_posix()) for r in records if (r.origin, r.key) in owners}
    return {old: places[one] for old, one in painted.items() if places.get(one, old) != old}


def is_current(state: FolderState, records: Sequence[Record], paths: Mapping[str, PurePosixPath]) -> bool:
    """Whether `follow` would find nothing to do."""
    return not moved(state, records, paths) and not any(True for _ in _changed(state, records, paths))


def _changed(
    state: FolderState, records: Sequence[Record], paths: Mapping[str, PurePosixPath]
) -> Iterator[tuple[Record, Path, Transform, Transform]]:
    """The painted masks whose pictures are turned, mirrored or cropped otherwise by now: file, before, now."""
    painted = set(state.store.painted_masks().values())
    for record in records if painted else ():
        if (record.origin, record.key) in painted:
            file = state.folder / mask_path(paths[record.key].as_posix())
            before, now = mask_file.transform_of(file), transform_in(record.facts)
            if before is not None and before != now:
                yield record, file, before, now


def transform_in(facts: Mapping[str, Any]) -> Transform:
    """What the facts of a record say was done to its picture."""
    plain = facts.get(TRANSFORMED, {})
    return Transform.from_plain({name: value for name, value in plain.items() if name != "part"})


def follow(state: FolderState, records: Sequence[Record], paths: Mapping[str, PurePosixPath]) -> None:
    """Moves painted masks to where their pictures went; one that a person drew there in the meantime stays.

    After a kill the file may be in its new place already.
    """
    ours = state.store.side_files("mask")
    painted = state.store.painted_masks()
    todo = moved(state, records, paths)
    held = {old: (state.folder / old).read_bytes() for old in todo if (state.folder / old).is_file()}
    for old, new in todo.items():
        source, target = state.folder / old, state.folder / new
        if old in held:
            drawn = target.exists() and new not in todo and digest_file(target) not in _digests(ours.get(new))
            if drawn:
                state.tell(Note("warning", f"{new} was drawn by hand: it is kept, and so is {old}"))
                continue
            if state.journal is not None:
                state.journal.replacing(target)
                state.journal.replacing(source)
            write_bytes(target, held[old])
            if old not in todo.values():
                source.unlink()
                prune_empty(source.parent, state.folder)
        if target.exists():
            state.store.keep_painted_mask(new, painted[old])
        state.store.commit()
    for record, file, before, now in _changed(state, records, paths):
        _change(state, record, file, before, now)


def _change(state: FolderState, record: Record, file: Path, before: Transform, now: Transform) -> None:
    """Turns, mirrors and crops a painted mask as its picture is by now.

    The mask as it was painted is kept beside the ledger: what a crop cuts off comes back with the picture.
    """
    painted = mask_file.digest_as_painted(file)
    original = state.env.root / KEPT / f"{painted}.png"
    if digest_file(file) == painted:
        copy_file(file, original, sync=True)  # the file is replaced next
    elif original.is_file():
        before = mask_file.transform_of(original) or before
    source = original if original.is_file() else file
    try:
        mask = mask_file.transferred(masks.read(source), before, now)
    except (InputError, PictureError) as error:
        state.tell(Note("warning", f"its painted mask does not fit it any more: {error.message}", key=record.key))
        return
    width, height = record.image.width, record.image.height
    if not width or not height:
        height, width = state.env.pixels(record).shape[:2]
    fitted = masks.fitted(np.ascontiguousarray(mask), width, height)
    data = source.read_bytes() if before == now else mask_file.encoded(fitted, now, painted)
    if state.journal is not None:
        state.journal.replacing(file)
    write_bytes(file, data)


def _digests(one: SideFile | None) -> Sequence[str]:
    return one.digests if one else ()


def _fitting(data: bytes, picture: Path) -> masks.Mask:
    """The mask, grey. Raises InputError where it is no picture, or has not the shape of the picture it is meant for."""
    from PIL import Image

    from curate.images import read_picture
    from curate.images.decode import pillow_settings
    from curate.images.decode.errors import BROKEN
    from curate.images.decode.options import MAX_PIXELS

    try:
        with pillow_settings.settings(MAX_PIXELS), Image.open(io.BytesIO(data)) as image:
            shown = Image.new("RGBA", image.size, "black")
            shown.alpha_composite(image.convert("RGBA"))
            grey = np.asarray(shown.convert("L"))
    except BROKEN as error:
        raise InputError(f"the mask cannot be read: {error}", "send a PNG file") from error
    try:
        height, width = read_picture(picture).pixels.shape[:2]
    except PictureError as error:
        raise InputError(f"{picture} cannot be read: {error}") from error
    if grey.shape != (height, width):
        size = f"{grey.shape[1]}×{grey.shape[0]}"
        raise InputError(f"the mask is {size} pixels, the picture {width}×{height}", "look at the picture again")
    return grey
