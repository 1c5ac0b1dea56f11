"""Waiting: a store that is silent is told of, and never keeps a user who wants to stop."""

from __future__ import annotations

import time
from collections.abc import Callable
from queue import Empty, SimpleQueue
from threading import Thread
from typing import TypeVar

from curate.core.events import Listener, Note
from curate.errors import interruption
from curate.storage.address import Location, kind_of

T = TypeVar("T")
SILENCE = 10.0
"""Seconds without an answer after which the user is told."""
_LIMITS = {
    "s3": "AWS_MAX_ATTEMPTS sets how often S3 is asked before the run ends; each time takes up to 15 s",
    "hf": "HF_HUB_ETAG_TIMEOUT and HF_HUB_DOWNLOAD_TIMEOUT set how many seconds the hub has",
}
"""By kind of store, what limits the waiting."""


def answer(location: Location, ask: Callable[[], T], tell: Listener, stopping: Callable[[], bool]) -> T:
    """What `ask` returns, or raises. Raises Interrupted at once when the user wants to stop."""
    answers: SimpleQueue[tuple[bool, T | BaseException]] = SimpleQueue()

    def wait() -> None:
        try:
            answers.put((True, ask()))
        except BaseException as error:
            answers.put((False, error))

    # what a store never answers must not keep the command alive
    Thread(target=wait, name="store", daemon=True).start()
    silent_at = time.monotonic() + SILENCE
    while True:
        try:
            succeeded, result = answers.get(timeout=0.1)
        except Empty:
            if stopping():
                raise interruption() from None
            if time.monotonic() > silent_at:
                silent_at = float("inf")
                tell(Note("warning", silence(location.address)))
            continue
        if succeeded:
            return result  # type: ignore[return-value]
        raise result  # type: ignore[misc]


def silence(address: str) -> str:
    """What the user is told of a store that does not answer."""
    limit = _LIMITS.get(kind_of(address), "")
    return f"{address} has not answered for {SILENCE:.0f} s: waiting for it" + (f" ({limit})" if limit else "")
