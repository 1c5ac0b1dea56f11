"""Origins: an error about an address begins with the line of the pipeline, or the option, that the address is from."""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Mapping

from curate.core.findings import combined
from curate.errors import CurateError
from curate.storage import is_address


@contextlib.contextmanager
def with_origins(origins: Mapping[str, str]) -> Generator[None]:
    """Raises what the block raises; `origins` says where each address stands."""
    try:
        yield
    except CurateError as error:
        parts = error.parts or (error,)
        told = [_located(part, origins) for part in parts]
        if all(new is old for new, old in zip(told, parts, strict=True)):
            raise
        raise combined(told) from error


def _located(error: CurateError, origins: Mapping[str, str]) -> CurateError:
    # one address may begin like another
    named = [address for address in origins if is_address(address) and address in error.message]
    origin = origins[max(named, key=len)] if named else ""
    if not origin or error.message.startswith(origin):
        return error
    return type(error)(f"{origin}: {error.message}", error.remedy)
