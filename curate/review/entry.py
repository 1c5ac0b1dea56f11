"""Entry: a picture of the index, and what the page is told of it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from curate.captioned import Captioned
from curate.review.ledger import Aside
from curate.review.snapshot import Stamp
from curate.scan import SourcePicture

NO_FILE: Stamp = (0, 0)
"""The stamp of a picture without a file."""


@dataclass(frozen=True, slots=True)
class Listed:
    """A picture as it was found, with the names that it and the files beside it have; a `Path` costs more to make.

    id    as the page calls it
    path  in the folder, in POSIX form
    file, captions, mask  absolute paths; "" without a mask
    """

    picture: SourcePicture
    id: str
    path: str
    file: str
    captions: tuple[str, ...]
    mask: str

    @classmethod
    def of(cls, picture: SourcePicture, relative: Callable[[str], str]) -> Listed:
        """The picture with its names; `relative` gives absolute paths in the folder as they are in it."""
        start = os.path.join(picture.place, "")  # noqa: PTH118
        path = relative(file := start + picture.file)
        captions = tuple(start + text for text in picture.texts)
        return cls(picture, legible_id(path), path, file, captions, str(picture.mask or ""))


@dataclass(slots=True)
class Entry:
    """A picture of the index.

    file      the picture's file, "" where there is none to show
    caption   None where it cannot be read, and of pictures that are set aside
    state     what the caption was read of: it is read again where this is another
    tokens    of the caption as it is trained, None until they are counted
    row       what the page knows of it, as JSON; `revision` is when it last changed, `tags` are the row's
    """

    id: str
    key: str
    concept: str
    file: str
    stamp: Stamp
    picture: SourcePicture | None = None
    caption: Captioned | None = None
    aside: Aside | None = None
    state: tuple[Any, ...] = ()
    tokens: int | None = None
    row: str = ""
    tags: Sequence[int] = ()
    revision: int = 0


def legible_id(path: str) -> str:
    """A path as text that every browser can send; bytes that are no UTF-8 are read as Latin-1."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return path.encode("utf-8", "surrogateescape").decode("latin-1")
    return path


def stamp_of(file: str) -> Stamp:
    """Time and size of a file; NO_FILE where there is none."""
    if not file:
        return NO_FILE
    try:
        stat = Path(file).stat()
    except OSError:
        return NO_FILE
    return stat.st_mtime_ns, stat.st_size


def as_json(entries: Iterable[Entry]) -> str:
    """The rows of entries as a JSON list."""
    return f"[{','.join(entry.row for entry in entries)}]"
