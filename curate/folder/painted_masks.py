"""Painted masks: masks that a person painted on pictures of a folder. No run overwrites or removes their files."""

from __future__ import annotations

import io
from pathlib import Path, PurePosixPath

import numpy as np

from curate.core.files import write_atomic
from curate.core.lock import run_lock
from curate.core.store import Store, ledger_place
from curate.errors import InputError, PictureError
from curate.folder.instructions import identities
from curate.folder.journal import Journal
from curate.images import masks


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
        data = None if mask is None else masks.encoded(_fitting(mask, folder / path))
        if data is None and not file.exists():
            return
        verb = "mask removed" if data is None else "mask painted"
        journal = Journal.begin(folder, store, f"review: {verb}: {path}", moves_pictures=False)
        journal.replacing(file)
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
