"""Pictures: thumbnails, whole pictures and masks as a browser shows them, and what is measured of them."""

from __future__ import annotations

import asyncio
import io
import threading
from concurrent.futures import CancelledError
from pathlib import Path

from starlette.responses import Response

from curate.core.user_changes import TRANSFORMED
from curate.errors import CurateError, PictureError
from curate.folder import source_key
from curate.review.answers import Refused
from curate.review.entry import Entry
from curate.review.index import Index
from curate.review.thumbnails import Thumbnails

_FOREVER = {"Cache-Control": "private, max-age=31536000, immutable"}
_SHOWN = {b"\x89PNG\r\n\x1a\n": "image/png", b"\xff\xd8\xff": "image/jpeg"}
"""What every browser shows as it is, by the first bytes."""
_PAUSE = 0.02
_AT_ONCE = 1000
_WIDEST = 16383
"""Pixels of a side that a WebP file can have."""


class Pictures:
    """Serves the pictures of an index."""

    def __init__(self, index: Index, thumbnails: Thumbnails) -> None:
        self._index, self._thumbnails = index, thumbnails

    async def thumbnail(self, entry: Entry) -> Response:
        """The thumbnail, made now where there is none. Raises Refused for a file that is no picture."""
        _check_file(entry)
        kept = self._thumbnails.get(entry.file, entry.stamp)
        if kept is None:
            try:
                kept = await asyncio.wrap_future(self._thumbnails.make(entry.file, entry.stamp))
            except (CurateError, OSError, CancelledError) as error:
                raise Refused(404, f"the picture cannot be shown: {error}") from error
        return Response(kept, headers=_FOREVER, media_type="image/webp")

    def whole(self, entry: Entry) -> Response:
        """The picture at full size: the file that curate wrote, any other upright, in sRGB and opaque."""
        _check_file(entry)
        path = Path(entry.file)
        try:
            if entry.aside is None and self._is_ours(entry):
                data = path.read_bytes()
                kind = next((kind for head, kind in _SHOWN.items() if data.startswith(head)), "")
                if kind:
                    return Response(data, headers=_FOREVER, media_type=kind)
            return Response(_upright(path), headers=_FOREVER, media_type="image/webp")
        except (CurateError, OSError) as error:
            raise Refused(404, f"the picture cannot be shown: {error}") from error

    def source(self, entry: Entry) -> Response:
        """What the person's crop is meant of: the source, upright; the picture itself where it shows all of that."""
        record = entry.caption.record if entry.caption is not None else None
        row = self._index.ledger.content.known.rows.get(entry.id)
        if row is None or entry.aside is not None:
            return self.whole(entry)
        source = self._index.ledger.source((row.origin, row.key)) if source_key(row.key) == row.key else None
        if source is None:
            if record is not None and TRANSFORMED in record.facts:
                raise Refused(404, "its source picture is not where the last run found it", "run the pipeline again")
            return self.whole(entry)
        try:
            return Response(_upright(source), headers={"Cache-Control": "no-store"}, media_type="image/webp")
        except (CurateError, OSError) as error:
            raise Refused(404, f"the source picture cannot be shown: {error}") from error

    def mask(self, entry: Entry) -> Response:
        """The mask as a grey PNG. Raises Refused without one."""
        from curate.images import masks

        mask = entry.picture.mask if entry.picture is not None else None
        if mask is None:
            raise Refused(404, "the picture has no mask")
        try:
            data = masks.encoded(masks.read(mask))
        except (PictureError, OSError) as error:
            raise Refused(404, f"the mask cannot be shown: {error}") from error
        return Response(data, headers={"Cache-Control": "no-store"}, media_type="image/png")

    def measure_next(self, stopping: threading.Event) -> None:
        """Makes the thumbnails that are missing, one after the other, until there is none or it shall stop."""
        for entry in self._index.unmeasured():
            if stopping.is_set():
                return
            with self._index.lock:
                pass  # a change that is being carried out comes first
            try:
                self._thumbnails.make(entry.file, entry.stamp).result()
            except (CurateError, OSError, CancelledError):
                continue
            stopping.wait(_PAUSE)
        self.take_up_measures()

    def take_up_measures(self) -> None:
        """Lets the index know what was measured while thumbnails were made."""
        while new := self._thumbnails.new_measures(_AT_ONCE):
            self._index.measured(new)

    def _is_ours(self, entry: Entry) -> bool:
        """Whether the file is as curate wrote it, so that it has neither orientation nor profile."""
        row = self._index.ledger.content.known.rows.get(entry.id)
        return row is not None and (row.mtime, row.size) == entry.stamp


def _check_file(entry: Entry) -> None:
    if not entry.file:
        raise Refused(404, "there is no file to show of this picture")


def _upright(path: Path) -> bytes:
    from PIL import Image

    from curate.images import read_picture

    buffer = io.BytesIO()
    picture = Image.fromarray(read_picture(path).pixels)
    picture.thumbnail((_WIDEST, _WIDEST))
    picture.save(buffer, "WEBP", quality=95, method=1)
    return buffer.getvalue()
