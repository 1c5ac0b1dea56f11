"""Picture changes: what a request does to whole pictures. It sets them aside, brings them back, and paints masks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from curate import folder
from curate.core.transform import Transform
from curate.folder.instructions import keep_concepts, keep_transform
from curate.folder.painted_masks import keep_mask
from curate.review.answers import Refused
from curate.review.changes import Changes
from curate.review.edits import titled
from curate.review.entry import Entry
from curate.review.index import Index

_PART = "it is a part of a picture: move the source picture to the other concept's folder"
_OURS = "curate did not write it: move or delete the file yourself"


class PicturesRequest(BaseModel):
    """The body of POST /api/aside and /api/restore."""

    model_config = ConfigDict(extra="forbid")

    ids: list[str] = Field(min_length=1)


class ConceptRequest(BaseModel):
    """The body of POST /api/concept; None as the concept is the picture's own."""

    model_config = ConfigDict(extra="forbid")

    ids: list[str] = Field(min_length=1)
    concept: str | None


class TransformRequest(BaseModel):
    """The body of POST /api/transform: what shall become of the source of a picture, as `Transform` has it."""

    model_config = ConfigDict(extra="forbid")

    id: str
    crop: list[float] | None
    rotate: int
    flip: bool


class PictureChanges:
    """Carries out what the page asks for, each request as one entry of the journal."""

    def __init__(self, index: Index, changes: Changes) -> None:
        self._index, self._changes = index, changes

    def aside(self, request: PicturesRequest) -> dict[str, Any]:
        """Removes pictures and their captions from the folder. The next run names them as removed by the person."""
        with self._index.lock:
            self._index.refresh()
            entries, skipped = self._changes.entries(request.ids)
            rows = self._index.ledger.content.known.rows
            paths: list[str] = []
            for entry in entries:
                path = self._path(entry)
                if entry.aside is not None or path not in rows:
                    skipped.append({"id": entry.id, "reason": "it is set aside" if entry.aside else _OURS})
                else:
                    paths.append(path)
            if rows and len(paths) == len(rows):
                raise Refused(409, "these are all pictures of the folder", "leave at least one", now=None)
            if paths:
                with self._changes.ledger() as (store, _):
                    # an edited caption is known before its file goes: it returns with the picture
                    folder.read_changes(self._index.target, store, lambda _: None)
                    title = titled("set aside", paths)
                    journal = folder.Journal.begin(self._index.target, store, title)
                    folder.remove(self._index.target, store, journal, paths)
                    journal.finish()
                    folder.read_changes(self._index.target, store, lambda _: None)
                self._index.refresh()
            return {"skipped": skipped, "revision": self._index.revision}

    def restore(self, request: PicturesRequest) -> dict[str, Any]:
        """Lets the next run write pictures again that a person removed."""
        with self._index.lock:
            self._index.refresh()
            entries, skipped = self._changes.entries(request.ids)
            keys = {entry.key: entry for entry in entries if entry.aside is not None}
            skipped += [{"id": e.id, "reason": "it is not set aside"} for e in entries if e.aside is None]
            if keys and self._index.in_ledger():
                with self._changes.ledger() as (store, _):
                    removed = {identity[1]: identity for identity in store.removed()}
                    mine = [removed[key] for key in keys if key in removed]
                    title = titled("bring back", [key for _, key in mine])
                    folder.restore_pictures(self._index.target, store, mine, title)
                self._index.refresh()
                reason = "a stage set it aside: change its options in the pipeline"
                skipped += [{"id": e.id, "reason": reason} for key, e in keys.items() if key not in removed]
            return {"skipped": skipped, "revision": self._index.revision}

    def mask(self, id: str, data: bytes | None) -> dict[str, Any]:
        """Writes the mask of a picture, or removes it where `data` is None."""
        return self._one(id, lambda path: keep_mask(self._index.target, path, data))

    def transform(self, request: TransformRequest) -> dict[str, Any]:
        """Keeps how a picture is to be turned, mirrored and cropped. The next run carries it out."""
        transform = Transform.from_plain(request.model_dump(exclude={"id"}))
        return self._one(request.id, lambda path: keep_transform(self._index.target, path, transform))

    def concept(self, request: ConceptRequest) -> dict[str, Any]:
        """Keeps that pictures belong to another concept. The next run moves them there."""
        with self._index.lock:
            self._index.refresh()
            self._changes.check_writable()
            entries, skipped = self._changes.entries(request.ids)
            skipped += [{"id": e.id, "reason": "it is set aside"} for e in entries if e.aside is not None]
            parts = [e for e in entries if e.aside is None and folder.source_key(e.key) != e.key]
            skipped += [{"id": e.id, "reason": _PART} for e in parts]
            paths = [self._path(e) for e in entries if e.aside is None and e not in parts]
            name = request.concept
            if paths:
                name = keep_concepts(self._index.target, paths, request.concept)
                self._index.refresh()
            return {"skipped": skipped, "revision": self._index.revision, "concept": name}

    def _one(self, id: str, change: Callable[[str], None]) -> dict[str, Any]:
        """Changes what is kept of a picture of that path in the folder."""
        with self._index.lock:
            self._index.refresh()
            self._changes.check_writable()
            entry = self._index.get(id)
            if entry is None or entry.aside is not None:
                raise Refused(404, "there is no such picture")
            change(self._path(entry))
            self._index.refresh()
            return {"skipped": [], "revision": self._index.revision}

    def _path(self, entry: Entry) -> str:
        """The picture's path in the folder; "" where it has no file there."""
        if entry.picture is None:
            return ""
        return entry.picture.path.relative_to(self._index.target).as_posix()
