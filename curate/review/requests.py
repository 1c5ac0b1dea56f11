"""Requests: what the body and the address of one say, checked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pydantic import BaseModel, ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from curate.errors import InputError
from curate.review.answers import Refused, answer


async def carried_out(request: Request, kind: type[Any], work: Callable[[Any], Any]) -> Response:
    """Checks the body of a request and does what it asks for. Raises Refused for a body of another form."""
    try:
        body: BaseModel = kind.model_validate_json(await request.body())
    except ValidationError as error:
        rows = ["".join(f"{part}: " for part in row["loc"]) + row["msg"] for row in error.errors()]
        raise Refused(400, "; ".join(rows)) from error
    return answer(await run_in_threadpool(work, body))


def number(request: Request, name: str) -> int:
    """A number of the address, 0 without it. Raises InputError for anything else."""
    given = request.query_params.get(name, "0")
    if not given.isdecimal() or len(given) > 12:
        raise InputError(f"{name} is a number, not {given!r}")
    return int(given)
