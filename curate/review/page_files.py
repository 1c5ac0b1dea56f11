"""Page files: the page itself as the package holds it."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.responses import Response

_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


def static_file(name: str) -> Response:
    """A file of the page; only those that the package holds."""
    known = {one.name: one for one in files("curate.review").joinpath("page").iterdir() if one.is_file()}
    if name not in known or Path(name).suffix not in _TYPES:
        raise HTTPException(404)
    headers = {"Cache-Control": "no-cache"}
    return Response(known[name].read_bytes(), headers=headers, media_type=_TYPES[Path(name).suffix])
