"""Entry: a picture of the index, and what the page is told of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from curate.captioned import Captioned
from curate.core.columns import Columns
from curate.core.files import beginning
from curate.core.packed import Packing, compressed, decompressed
from curate.core.record import Record
from curate.review.ledger import Aside
from curate.review.snapshot import NO_FILE, Stamp
from curate.scan import SourcePicture


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
        start = beginning(picture.place)
        path = relative(file := start + picture.file)
        captions = tuple(start + text for text in picture.texts)
        return cls(picture, legible_id(path), path, file, captions, str(picture.mask or ""))


@dataclass(slots=True)
class Entry:
    """A picture of the index.

    file      the picture's file, "" where there is none to show
    caption   None where it cannot be read, and of pictures that are set aside
    state     a hash of what the caption was read of: it is read again where this is another
    tokens    of the caption as it is trained, None until they are counted
    number    its place among the entries, -1 where it has none yet
    """

    id: str
    key: str
    concept: str
    file: str
    stamp: Stamp
    picture: SourcePicture | None = None
    caption: Captioned | None = None
    aside: Aside | None = None
    state: int = 0
    tokens: int | None = None
    number: int = -1


_PICTURES = Columns(SourcePicture, {}, as_written=())
_CAPTIONS = Columns(Captioned, {"record": Record}, as_written=())
PICTURES = Packing(_PICTURES.dumps, _PICTURES.loads)
"""How pictures as they were found are packed."""


def _dumps(entries: Sequence[Entry]) -> bytes:
    heads = [(e.id, e.key, e.concept, e.file, e.aside, e.picture is not None, e.caption is not None) for e in entries]
    pictures = [entry.picture for entry in entries if entry.picture is not None]
    captions = [entry.caption for entry in entries if entry.caption is not None]
    return compressed((
        list(zip(*heads, strict=True)),
        _PICTURES.taken(pictures) if pictures else None,
        _CAPTIONS.taken(captions) if captions else None,
    ))  # fmt: skip


def _loads(packed: bytes) -> list[Entry]:
    heads, pictures, captions = decompressed(packed)
    picture = iter(_PICTURES.made(pictures) if pictures else ())
    caption = iter(_CAPTIONS.made(captions) if captions else ())
    return [
        Entry(
            id, key, concept, file, NO_FILE,
            next(picture) if is_there else None, next(caption) if is_captioned else None, aside,
        )
        for id, key, concept, file, aside, is_there, is_captioned in zip(*heads, strict=True)
    ]  # fmt: skip


ENTRIES = Packing(_dumps, _loads)
"""How entries are packed: without their numbers, which may change."""


def legible_id(path: str) -> str:
    """A path as text that every browser can send; bytes that are no UTF-8 are read as Latin-1."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return path.encode("utf-8", "surrogateescape").decode("latin-1")
    return path
