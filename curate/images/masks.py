"""Masks: what of a picture counts in training, as grey pictures in the ledger folder that follow their pictures."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from curate.core.file_batch import FileBatch
from curate.core.record import Record
from curate.core.stage import Env, Pixels
from curate.errors import PictureError

Mask = NDArray[np.uint8]
"""H×W of the picture it belongs to: 255 counts in full, 0 not at all."""

FOLDER = "masks"
"""The folder in a prepared one in which masks lie: `masks/10_dog/a.png` is the mask of `10_dog/a.jpg`."""


def read(path: Path) -> Mask:
    """A mask file's values, whatever its mode. Raises PictureError."""
    from PIL import Image

    from curate.images.decode import pillow_settings
    from curate.images.decode.errors import BROKEN
    from curate.images.decode.options import MAX_PIXELS

    try:
        with pillow_settings.settings(MAX_PIXELS), Image.open(path) as image:
            return np.asarray(image.convert("L"))
    except BROKEN as error:
        raise PictureError(f"its mask cannot be read: {error}") from error


def encoded(mask: Mask) -> bytes:
    """The mask as a grey PNG."""
    from curate.images.encode import gray_png

    return gray_png(mask)


def white(width: int, height: int) -> Mask:
    """The mask of a picture that counts as a whole."""
    return np.full((height, width), 255, np.uint8)


def fitted(mask: Mask, width: int, height: int) -> Mask:
    """The mask at the size that its picture has by now."""
    if mask.shape == (height, width):
        return mask
    import cv2

    return np.asarray(cv2.resize(mask, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def save(mask: Mask, env: Env) -> str:
    """Keeps a mask in the ledger folder under a name made of its content; the path in it, as `Record.mask` has it."""
    mask = np.ascontiguousarray(mask)
    name = hashlib.sha256(repr(mask.shape).encode() + mask.tobytes()).hexdigest()[:40]
    path = f"objects/{name[:2]}/{name}-mask.png"
    env.add_file(path, lambda p: p.write_bytes(encoded(mask)))
    return path


def adopt(path: Path, digest: str, root: Path, files: FileBatch) -> str:
    """Adds a copy of a mask file, whose content has this digest, to those that go to the ledger folder; its path in it.

    The copy is there once `files` are flushed.
    """
    kept = Path("objects", digest[:2], f"{digest}-mask.png")
    if not (root / kept).is_file():
        files.copy(path, root / kept)
    return kept.as_posix()


def follow(record: Record, env: Env, change: Callable[[Pixels], Pixels]) -> Record:
    """The record with its mask changed as its picture was: mirrored, cut, scaled. Raises PictureError.

    `change` is given the mask as a picture, H×W×3, at the size the picture had.
    """
    if not record.mask:
        return record
    mask = read(env.file(record.mask))
    changed = change(np.repeat(mask[:, :, None], 3, axis=2))
    return dataclasses.replace(record, mask=save(changed[:, :, 0], env))
