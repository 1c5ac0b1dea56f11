"""Errors of the cleaners as ours."""

from __future__ import annotations

import contextlib
from collections.abc import Generator

from curate.errors import InputError, MissingError


@contextlib.contextmanager
def translated(stage: str) -> Generator[None]:
    """What a cleaner raises becomes a MissingError where this machine lacks something, else an InputError."""
    from cleaners.errors import CleanerError, MemoryShortError, MissingModelError

    try:
        yield
    except CleanerError as error:
        lacking = isinstance(error, MissingModelError | MemoryShortError)
        raise (MissingError if lacking else InputError)(f"{stage}: {error.message}", error.remedy) from error
