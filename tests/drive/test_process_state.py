"""What a run changes for its process is as before when it ends, however it ends."""

from __future__ import annotations

import gc
import logging
import os
import signal
import stat
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from curate.core.events import Event, Note
from curate.core.files import write_text
from curate.drive.process_state import process_state, stop_signals


def state() -> list[Any]:
    loggers = [logging.getLogger(name) for name in ("taggers", "cleaners")]
    handlers = [signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)]
    return [gc.get_threshold(), handlers, [(list(one.handlers), one.propagate) for one in loggers]]


@pytest.mark.parametrize("error", [None, ValueError, KeyboardInterrupt])
def test_everything_is_put_back(error: type[BaseException] | None) -> None:
    before = state()
    try:
        with process_state(lambda _: None):
            assert all(one != other for one, other in zip(state(), before, strict=True))
            if error:
                raise error
    except (ValueError, KeyboardInterrupt) as raised:
        assert type(raised) is error
    assert state() == before


def test_the_first_signal_asks_and_the_second_stops() -> None:
    told: list[Event] = []
    with process_state(told.append) as stop:
        assert not stop()
        signal.raise_signal(signal.SIGTERM)
        assert stop() and [type(e) for e in told] == [Note]
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


def test_a_further_process_only_asks() -> None:
    with stop_signals() as stop:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        assert stop()


def test_signals_are_left_alone_in_another_thread() -> None:
    handlers: list[Any] = []

    def run() -> None:
        with process_state(lambda _: None):
            handlers.append(signal.getsignal(signal.SIGTERM))

    before = signal.getsignal(signal.SIGTERM)
    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert handlers == [before]


def test_what_taggers_log_is_told() -> None:
    told: list[Event] = []
    with process_state(told.append):
        logging.getLogger("taggers").warning("the GPU %s is not used", 0)
    assert told == [Note("warning", "the GPU 0 is not used")]


@pytest.mark.skipif(sys.platform == "win32", reason="rights of POSIX")
@pytest.mark.parametrize(("mask", "rights"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_files_have_the_rights_that_the_umask_gives(tmp_path: Path, mask: int, rights: int) -> None:
    before = os.umask(mask)
    try:
        write_text(tmp_path / "a.txt", "x")
        assert stat.S_IMODE((tmp_path / "a.txt").stat().st_mode) == rights
        assert os.umask(mask) == mask
    finally:
        os.umask(before)
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]
