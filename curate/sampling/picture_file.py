"""Files of drawn pictures: PNG with their parameters; none is overwritten, and one that is there is not drawn again."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, PngImagePlugin, UnidentifiedImageError

from curate.core.files import write_bytes
from curate.sampling.parameters import Parameters, parse

TEXT = "parameters"
"""The chunk that A1111 writes and others read."""
IDENTITY = "curate"
"""Our chunk: the digest of everything that decides the picture."""


def encode(pixels: NDArray[np.uint8], text: str, identity: str = "") -> bytes:
    """A PNG of pixels H×W×3. Text is in Latin-1 where that holds it, else in UTF-8, as A1111 writes it."""
    chunks = PngImagePlugin.PngInfo()
    chunks.add_text(TEXT, text)
    if identity:
        chunks.add_text(IDENTITY, identity)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", pnginfo=chunks)
    return buffer.getvalue()


def write(folder: Path, name: str, data: bytes) -> Path:
    """Writes NAME.png, or NAME-2.png and so on where a file with other bytes is there."""
    for path in _paths(folder, name):
        if not path.exists():
            write_bytes(path, data)
            return path
        if path.read_bytes() == data:
            return path
    raise AssertionError("names do not end")


def find(folder: Path, name: str, identity: str) -> Path | None:
    """The whole picture of that identity under the name, or with a number behind it; None where there is none."""
    for path in _paths(folder, name):
        if not path.exists():
            return None
        if _identity(path) == identity:
            return path
    return None


def pixels(path: Path) -> NDArray[np.uint8]:
    """The pixels of a drawn picture, H×W×3."""
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def parameters(path: Path) -> Parameters:
    """What a picture's file says of it; nothing where it says nothing or cannot be read."""
    try:
        with Image.open(path) as image:
            return parse(str(image.info.get(TEXT, "")))
    except (OSError, ValueError, SyntaxError, UnidentifiedImageError):
        return Parameters("")


def _identity(path: Path) -> str:
    """What the file says it is; "" for a damaged one."""
    try:
        with Image.open(path) as image:
            image.load()
            return str(image.info.get(IDENTITY, ""))
    except (OSError, ValueError, SyntaxError, UnidentifiedImageError):
        return ""


def _paths(folder: Path, name: str) -> Iterator[Path]:
    yield folder / f"{name}.png"
    number = 2
    while True:
        yield folder / f"{name}-{number}.png"
        number += 1
