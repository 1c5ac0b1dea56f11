"""Garbage: how often Python looks for cycles of objects that nobody holds any more."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Generator


@contextlib.contextmanager
def rare_collections() -> Generator[None]:
    """Lets Python look seldom, until the block ends. For programs that hold many records, which have no cycles.

    Looking after every 700 of them, each time through all, costs a tenth of a run over known pictures, and as much of
    an edit of 10,000 captions.
    """
    before = gc.get_threshold()
    gc.set_threshold(100_000, 50, 50)
    try:
        yield
    finally:
        gc.set_threshold(*before)
