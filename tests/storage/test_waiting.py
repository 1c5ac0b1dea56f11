"""A store that is silent is told of, and can be left."""

from __future__ import annotations

import threading
import time

import pytest

from curate.core.events import Event, Note
from curate.errors import Interrupted
from curate.storage import waiting
from curate.storage.address import Location
from curate.storage.waiting import answer

LOCATION = Location("s3://bucket/raw", None, "bucket/raw")


def test_the_answer_or_the_error_comes_through() -> None:
    told: list[Event] = []
    assert answer(LOCATION, lambda: 3, told.append, lambda: False) == 3
    with pytest.raises(ZeroDivisionError):
        answer(LOCATION, lambda: 1 / 0, told.append, lambda: False)
    assert told == []


def test_silence_is_told_of_once_and_a_stop_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "SILENCE", 0.2)
    told: list[Event] = []
    ended, begun = threading.Event(), time.monotonic()
    with pytest.raises(Interrupted):
        answer(LOCATION, ended.wait, told.append, lambda: time.monotonic() > begun + 0.6)
    ended.set()
    [note] = told
    assert isinstance(note, Note)
    assert note.message.startswith("s3://bucket/raw has not answered for 0 s")
    assert "AWS_MAX_ATTEMPTS" in note.message
