"""Server: the addresses of the review page, and what they answer."""

from __future__ import annotations

import os
import secrets
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp

from curate.core.files import digest_bytes
from curate.core.old_files import OldFiles
from curate.core.store import LEDGER, ledger_place
from curate.errors import CurateError
from curate.review import report
from curate.review.access import Access
from curate.review.answers import (
    NO_STORE,
    Refused,
    answer,
    on_error,
    on_missing,
    on_refused,
    with_pictures,
    written,
)
from curate.review.changes import Changes
from curate.review.check_results import Checker, CheckResults
from curate.review.detail import Detail
from curate.review.edits import EditRequest
from curate.review.entry import Entry
from curate.review.index import Index
from curate.review.page_files import static_file
from curate.review.picture_changes import ConceptRequest, PictureChanges, PicturesRequest, TransformRequest
from curate.review.pictures import Pictures
from curate.review.report import ReportFiles
from curate.review.requests import carried_out, number
from curate.review.thumbnails import Thumbnails
from curate.review.tokens import Tokens
from curate.review.vocabulary import Vocabulary

CAN = ("aside", "concept", "mask", "transform")
"""What can be done to pictures: of aside, concept, transform and mask, the page shows these controls alone."""


class Review:
    """A folder under review: its index, thumbnails and vocabulary, and the application that serves them."""

    def __init__(
        self, target: Path, base: str = "", tokenizer: str = "", *, waits: bool = False, checker: Checker | None = None
    ) -> None:
        """`base` and `tokenizer` are those of the training that will follow, as its options have them.

        `waits` tells that a run waits until the user accepts what the page shows. `checker` makes the checks.
        """
        self.accepted = threading.Event()
        self.on_accept: Callable[[], None] = lambda: None
        self._waits = waits
        self._id = secrets.token_hex(8)
        self._place = digest_bytes(os.fsencode(target.absolute()))
        self.index = Index(target)
        self.thumbnails = Thumbnails(ledger_place(target))
        self.tokens = Tokens(base, tokenizer)
        self.detail = Detail(self.index, self.tokens)
        self.old_files = OldFiles(ledger_place(target) / LEDGER)
        self.changes = Changes(self.index, self.detail, self.old_files)
        self.picture_changes = PictureChanges(self.index, self.changes)
        self.vocabulary = Vocabulary(self.index)
        self.checks = CheckResults(self.index, checker)
        self.report = ReportFiles(target)
        self.pictures = Pictures(self.index, self.thumbnails)
        self._stopping = threading.Event()
        self._worker = threading.Thread(target=self._measure, name="measure", daemon=True)

    def start(self, *, tokens: bool = True) -> None:
        """Reads the folder, then begins to measure its pictures in the background, and to count `tokens`."""
        self.pictures.take_up_measures()
        self.index.refresh()
        self._worker.start()
        if tokens:  # loading it cannot be stopped half-way, so nobody waits for it
            threading.Thread(target=self.tokens.load, name="tokenizer", daemon=True).start()

    def close(self) -> None:
        """Ends the background work."""
        self._stopping.set()
        if self._worker.ident is not None:  # it is not started where the folder cannot be read
            self._worker.join()
        self.thumbnails.close()
        self.index.close()

    def application(self, token: str, port: int) -> ASGIApp:
        """The ASGI application that answers on a port to who knows the token."""
        routes = [
            Route("/", self._page, methods=["GET"]),
            Route("/page/{name:path}", self._static, methods=["GET"]),
            Route("/api/index", self._index, methods=["GET"]),
            Route("/api/changes", self._changes, methods=["GET"]),
            Route("/api/picture/{id:path}", self._picture, methods=["GET"]),
            Route("/api/vocabulary", self._vocabulary, methods=["GET"]),
            Route("/api/tags", self._tags, methods=["GET"]),
            Route("/api/checks", self._checks, methods=["GET"]),
            Route("/api/edit", self._edit, methods=["POST"]),
            Route("/api/aside", self._aside, methods=["POST"]),
            Route("/api/restore", self._restore, methods=["POST"]),
            Route("/api/concept", self._concept, methods=["POST"]),
            Route("/api/transform", self._transform, methods=["POST"]),
            Route("/api/mask/{id:path}", self._paint, methods=["POST", "DELETE"]),
            Route("/api/undo", self._undo, methods=["POST"]),
            Route("/api/continue", self._continue, methods=["POST"]),
            Route("/thumb/{id:path}", self._thumb, methods=["GET"]),
            Route("/picture/{id:path}", self._whole, methods=["GET"]),
            Route("/source/{id:path}", self._source, methods=["GET"]),
            Route("/mask/{id:path}", self._mask, methods=["GET"]),
            Route(report.PLACE + "{token}/report.html", self._report, methods=["GET"]),
            Route(report.PLACE + "{token}/report_files/{name}", self._report_picture, methods=["GET"]),
        ]
        handlers: Mapping[Any, Any] = {Refused: on_refused, CurateError: on_error, HTTPException: on_missing}
        return Access(Starlette(routes=routes, exception_handlers=handlers), token, port)

    # the page ---------------------------------------------------------------------------------------------------------

    async def _page(self, request: Request) -> Response:
        return static_file("index.html")

    async def _static(self, request: Request) -> Response:
        return static_file(request.path_params["name"])

    # what is there ----------------------------------------------------------------------------------------------------

    def _index(self, request: Request) -> Response:
        index = self.index
        with index.lock:
            index.refresh()
            head = {**self._head(), "folder": index.target.name, "place": self._place,
                    "prepared": index.is_prepared, "messages": index.notes, "tags": index.table.names,
                    "texts": index.table.texts}  # fmt: skip
            rows = index.entries.rows()
        return StreamingResponse(with_pictures(head, rows), 200, NO_STORE, "application/json")

    def _changes(self, request: Request) -> Response:
        index = self.index
        since, tags = number(request, "since"), number(request, "tags")
        with index.lock:
            index.refresh()
            if since > index.revision or tags > len(index.table.names):
                return answer({"reload": True})
            changed, removed = index.entries.since(since)
            head = {**self._head(), "removed": removed, "tags": index.table.names[tags:],
                    "texts": index.table.texts[tags:], "messages": index.notes}  # fmt: skip
        return written(b"".join(with_pictures(head, [changed])))

    def _head(self) -> dict[str, Any]:
        return {"server": self._id, "revision": self.index.revision, "concepts": self.index.concepts(),
                "waiting": self._waits and not self.accepted.is_set(), "can": CAN,
                "can_check": self.checks.can_check, "report": self.report.is_there}  # fmt: skip

    def _picture(self, request: Request) -> Response:
        with self.index.lock:
            self.index.refresh()
            return answer(self.detail(self._entry(request)))

    def _vocabulary(self, request: Request) -> Response:
        limit = min(100, number(request, "limit") or 20)
        return answer(self.vocabulary.search(request.query_params.get("q", ""), limit))

    def _tags(self, request: Request) -> Response:
        return answer(self.vocabulary.statistics())

    def _checks(self, request: Request) -> Response:
        return answer(self.checks())

    def _report(self, request: Request) -> Response:
        return self.report.page()

    def _report_picture(self, request: Request) -> Response:
        return self.report.thumbnail(request.path_params["name"])

    # pictures ---------------------------------------------------------------------------------------------------------

    async def _thumb(self, request: Request) -> Response:
        return await self.pictures.thumbnail(self._entry(request))

    async def _whole(self, request: Request) -> Response:
        return await run_in_threadpool(self.pictures.whole, self._entry(request))

    async def _source(self, request: Request) -> Response:
        return await run_in_threadpool(self.pictures.source, self._entry(request))

    async def _mask(self, request: Request) -> Response:
        return await run_in_threadpool(self.pictures.mask, self._entry(request))

    def _entry(self, request: Request) -> Entry:
        """The picture of the address; an address is never taken for a path on the disk."""
        entry = self.index.get(request.path_params["id"])
        if entry is None:
            raise Refused(404, "there is no such picture")
        return entry

    # what is changed --------------------------------------------------------------------------------------------------

    async def _edit(self, request: Request) -> Response:
        return await carried_out(request, EditRequest, self.changes.edit)

    async def _aside(self, request: Request) -> Response:
        return await carried_out(request, PicturesRequest, self.picture_changes.aside)

    async def _restore(self, request: Request) -> Response:
        return await carried_out(request, PicturesRequest, self.picture_changes.restore)

    async def _concept(self, request: Request) -> Response:
        return await carried_out(request, ConceptRequest, self.picture_changes.concept)

    async def _transform(self, request: Request) -> Response:
        return await carried_out(request, TransformRequest, self.picture_changes.transform)

    async def _paint(self, request: Request) -> Response:
        data = await request.body() if request.method == "POST" else None
        return answer(await run_in_threadpool(self.picture_changes.mask, request.path_params["id"], data))

    async def _undo(self, request: Request) -> Response:
        await request.body()
        return answer(await run_in_threadpool(self.changes.undo))

    async def _continue(self, request: Request) -> Response:
        await request.body()
        if not self._waits:
            raise Refused(409, "no run waits for this page", "start the run with `curate run --review`", now=None)
        self.accepted.set()
        self.on_accept()
        return answer({"skipped": [], "revision": self.index.revision})

    def _measure(self) -> None:
        """Frees what was replaced, and makes thumbnails before they are asked for, so that scrolling is fast."""
        while not self._stopping.is_set():
            with self.index.lock:
                pass  # a change that is being carried out comes first
            self.old_files.free(self._stopping)
            self.pictures.measure_next(self._stopping)
            self.detail.count_tokens(self._stopping)
            self._stopping.wait(1)
