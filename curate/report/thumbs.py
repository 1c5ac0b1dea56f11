"""Thumbnails: as data inside the page, or as files beside it where there are many."""

from __future__ import annotations

import base64
import contextlib
import io
import os
import re
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol
from urllib.parse import quote

from curate.core.digests import text_digest
from curate.core.events import Listener, RecordDone, StageFinished, StageStarted
from curate.core.files import remove_leftovers, write_atomic
from curate.errors import CurateError

THUMBNAIL = 240
"""The longest side of a thumbnail, in pixels."""

_STEP = "report: thumbnails"
_NAME = re.compile(r"[0-9a-f]{32}-\d+\.jpg")


class Thumbnails(Protocol):
    """Where a page has its thumbnails from."""

    @property
    def inside(self) -> bool:
        """Whether they are part of the page and make it larger."""
        ...

    def address(self, path: Path | None, digest: str, side: int) -> str:
        """What an `img` loads: the picture at most `side` pixels long; empty where it cannot be read.

        `digest` identifies the picture's content.
        """
        ...


class InsideThumbnails:
    """Thumbnails as `data:` addresses, so that a page is one file."""

    inside = True

    def address(self, path: Path | None, digest: str, side: int) -> str:
        """The picture itself."""
        return thumbnail(path, side)


class ThumbnailFiles:
    """Thumbnails as files in a folder beside the page.

    They are named by the picture's content: a later report makes only those that are missing. The page finds them
    wherever it lies, as long as its folder lies beside it.
    """

    inside = False

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._ready: dict[str, bool] = {}

    def address(self, path: Path | None, digest: str, side: int) -> str:
        """The file's address relative to the page; the file is made where it is missing.

        Of each picture there is one small file: browsers scale it where a smaller one is asked for.
        """
        if path is None:
            return ""
        side = max(side, THUMBNAIL)
        name = self._name(digest, side)
        if name not in self._ready:
            self._ready[name] = self._make(path, name, side)
        return f"{quote(self._folder.name)}/{name}" if self._ready[name] else ""

    def prepare(self, pictures: Iterable[tuple[Path, str]], tell: Listener) -> None:
        """Makes the small ones that are missing, on several cores; `tell` hears how far it is."""
        paths = {self._name(digest, THUMBNAIL): path for path, digest in pictures}
        there = {name: (self._folder / name).is_file() for name in paths}
        self._ready.update(there)
        missing = [name for name in paths if not there[name]]
        if not missing:
            return

        def make(name: str) -> bool:
            return self._make(paths[name], name, THUMBNAIL)

        begun = time.perf_counter()
        tell(StageStarted(_STEP, len(missing), 0))
        pool = ThreadPoolExecutor(min(8, os.cpu_count() or 1))
        try:
            for name, made in zip(missing, pool.map(make, missing), strict=True):
                self._ready[name] = made
                tell(RecordDone(_STEP, str(paths[name])))
        finally:
            pool.shutdown(cancel_futures=True)  # whoever interrupts it does not wait for thousands of others
        tell(StageFinished(_STEP, len(missing), 0, 0, time.perf_counter() - begun))

    def remove_unused(self) -> None:
        """Removes the files of pictures that are no longer on the page, and what a kill left; other files stay."""
        remove_leftovers(self._folder)
        for path in self._folder.glob("*.jpg"):
            if _NAME.fullmatch(path.name) and not self._ready.get(path.name):
                path.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            self._folder.rmdir()  # nothing was left in it

    def _name(self, digest: str, side: int) -> str:
        return f"{text_digest(digest)[:32]}-{side}.jpg"

    def _make(self, path: Path, name: str, side: int) -> bool:
        target = self._folder / name
        if target.is_file():
            return True
        data = encoded(path, side)
        if data:
            write_atomic(target, lambda place: place.write_bytes(data), sync=False)
        return bool(data)


def thumbnail(path: Path | None, side: int = 192) -> str:
    """The picture, at most `side` pixels long, as a `data:` address; empty where it cannot be read."""
    data = encoded(path, side) if path else b""
    return "data:image/jpeg;base64," + base64.b64encode(data).decode("ascii") if data else ""


def encoded(path: Path, side: int) -> bytes:
    """A JPEG of the picture, at most `side` pixels long; empty where it cannot be read.

    Orientation, colour profile and transparency are settled as on entry, so that the page shows what is trained.
    """
    from PIL import Image

    from curate import images

    try:
        # of a large JPEG a smaller version is decoded, in a fraction of the time
        decoded = images.read_picture(path, images.DecodeOptions(at_least=2 * side))
        picture = Image.fromarray(decoded.pixels)
    except (CurateError, OSError):
        return b""
    picture.thumbnail((side, side), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=78, optimize=True)
    return buffer.getvalue()
