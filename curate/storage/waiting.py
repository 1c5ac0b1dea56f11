"""Waiting: a store that is silent is told of, and never keeps a user who wants to stop."""

from __future__ import annotations

import time
from collections.abc import Callable
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any, TypeVar

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


class Silence:
    """When a store was last heard, and whether the user was told that it is silent since."""

    def __init__(self, location: Location, tell: Listener) -> None:
        self._address, self._tell = location.address, tell
        self._heard_at, self._is_told = time.monotonic(), False

    def ended(self) -> None:
        """The store was heard. Any thread may say so."""
        self._heard_at = time.monotonic()

    def check(self) -> None:
        """Tells the user, once, if the store was not heard for too long."""
        if not self._is_told and time.monotonic() > self._heard_at + SILENCE:
            self._is_told = True
            limit = _LIMITS.get(kind_of(self._address), "")
            message = f"{self._address} has not answered for {SILENCE:.0f} s: waiting for it"
            self._tell(Note("warning", message + (f" ({limit})" if limit else "")))


def answer(location: Location, ask: Callable[[], T], tell: Listener, stopping: Callable[[], bool]) -> T:
    """What `ask` returns, or raises. Raises Interrupted at once when the user wants to stop."""
    return answered(ask, Silence(location, tell), stopping)


def answered(ask: Callable[[], T], silence: Silence, stopping: Callable[[], bool]) -> T:
    """What `ask` returns, or raises, as in `answer`, where there is a `silence` already."""
    answers: SimpleQueue[tuple[bool, T | BaseException]] = SimpleQueue()

    def wait() -> None:
        try:
            answers.put((True, ask()))
        except BaseException as error:
            answers.put((False, error))

    # what a store never answers must not keep the command alive
    Thread(target=wait, name="store", daemon=True).start()
    while True:
        try:
            succeeded, result = answers.get(timeout=0.1)
        except Empty:
            if stopping():
                raise interruption() from None
            silence.check()
            continue
        if succeeded:
            return result  # type: ignore[return-value]
        raise result  # type: ignore[misc]


def pieces(silence: Silence | None) -> Any:
    """What fsspec calls for each piece of an object that travels."""
    from fsspec.callbacks import Callback  # slow to load, and only needed with addresses

    class Pieces(Callback):
        def relative_update(self, inc: int = 1) -> None:
            if silence is not None:
                silence.ended()

    return Pieces()
