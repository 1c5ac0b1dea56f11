"""Answers: JSON, and how a request is refused."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from curate.errors import CurateError, InputError, LockedError, MissingError

NO_STORE = {"Cache-Control": "no-store"}


class Refused(Exception):  # noqa: N818 – an answer, not a fault
    """A request that is not carried out: the status, what to tell the person, further values for the page."""

    def __init__(self, status: int, message: str, remedy: str = "", **values: Any) -> None:
        super().__init__(message)
        self.status, self.message, self.remedy, self.values = status, message, remedy, values


def answer(value: Any, status: int = 200) -> Response:
    """A JSON answer that no cache keeps. Names of files and tags are data in it and nothing else."""
    return written(json.dumps(value, separators=(",", ":")).encode(), status)


def written(text: bytes, status: int = 200) -> Response:
    """An answer that is JSON already."""
    return Response(text, status, NO_STORE, "application/json")


def with_pictures(head: Mapping[str, Any], rows: Iterable[Sequence[str]]) -> Iterator[bytes]:
    """The parts of an answer with rows, which are JSON already: a million of them take half a gigabyte as one text."""
    yield f'{json.dumps(head)[:-1]},"pictures":['.encode()
    between = ""
    for some in filter(None, rows):
        yield (between + ",".join(some)).encode()
        between = ","
    yield b"]}"


def refusal(status: int, message: str, remedy: str = "", **values: Any) -> Response:
    """What the page shows of a request that was not carried out."""
    return answer({"message": message, "remedy": remedy, **values}, status)


async def on_refused(request: Request, error: Exception) -> Response:
    """The answer to a request that was refused where it was carried out."""
    assert isinstance(error, Refused)
    return refusal(error.status, error.message, error.remedy, **error.values)


async def on_error(request: Request, error: Exception) -> Response:
    """The answer to one of our errors, by its kind: locked, the person's input, the disk."""
    assert isinstance(error, CurateError)
    kinds = ((LockedError, 423), (InputError, 400), (MissingError, 507))
    status = next((code for kind, code in kinds if isinstance(error, kind)), 500)
    return refusal(status, error.message, error.remedy)


async def on_missing(request: Request, error: Exception) -> Response:
    """The answer to an address that leads nowhere, or a method that is not for it."""
    status: int = getattr(error, "status_code", 404)
    return refusal(status, "there is nothing at this address" if status == 404 else "this cannot be done here")
