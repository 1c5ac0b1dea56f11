"""Report: the folder's HTML report as the review server shows it, where its links into review lead back here.

A report lies in the folder and may have come with it from anywhere, so nothing in it is trusted: on its page runs the
program of this version of curate, known by its digest, and nothing else, and it loads pictures from beside it alone.
"""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from importlib.resources import files
from pathlib import Path

from starlette.responses import Response

from curate.core.store import REPORT, ledger_place
from curate.review.answers import Refused

PLACE = "/report/"
"""Where the report is found: behind this stands the token, since addresses beside a page carry no query."""
_HEADERS = {"Cache-Control": "no-store"}


class ReportFiles:
    """The report beside the ledger of a folder, and its thumbnails."""

    def __init__(self, target: Path) -> None:
        self._page = ledger_place(target) / REPORT

    @property
    def is_there(self) -> bool:
        """Whether there is a report to show."""
        return self._page.is_file()

    def page(self) -> Response:
        """The report."""
        return Response(self._read(self._page), headers=_HEADERS, media_type="text/html")

    def thumbnail(self, name: str) -> Response:
        """A small picture of the report."""
        if Path(name).name != name or not name.endswith(".jpg"):
            raise _missing()
        file = self._page.with_name(f"{self._page.stem}_files") / name
        return Response(self._read(file), headers=_HEADERS, media_type="image/jpeg")

    def _read(self, file: Path) -> bytes:
        """A file of the report; none to which a link leads from it."""
        place = self._page.parent
        try:
            if file.resolve() != place.resolve() / file.relative_to(place):
                raise _missing()
            return file.read_bytes()
        except (OSError, ValueError) as error:
            raise _missing() from error


def _missing() -> Refused:
    return Refused(404, "there is no such report", "write one with `curate report`, or run the pipeline")


@cache
def policy() -> bytes:
    """What the report's page may do, as its Content-Security-Policy."""
    program = files("curate.report").joinpath("report.js").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(program.encode()).digest()).decode("ascii")
    return (
        "default-src 'none'; img-src 'self' data:; style-src 'unsafe-inline'; "
        f"script-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ).encode()
