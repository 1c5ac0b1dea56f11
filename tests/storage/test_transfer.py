"""Transfers, several at a time: what stops them, and what a store that does not answer holds up."""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest

from curate.core.events import Event, Note
from curate.errors import Interrupted
from curate.storage import waiting
from curate.storage.address import Location
from curate.storage.errors import Replaced, concerns_object
from curate.storage.listing import list_objects
from curate.storage.transfer import AT_ONCE, each, fetch_object
from curate.storage.waiting import Silence
from curate.storage.watched import open_watched

STORE = Location("s3://bucket/raw", None, "bucket/raw")


def fail(event: Event) -> None:
    raise AssertionError(event)


def unheard() -> Silence:
    return Silence(STORE, fail)


def test_each_is_done_and_errors_come_with_what_they_are_of() -> None:
    def do(n: int) -> None:
        if n % 10 == 3:
            raise OSError(str(n))

    done = dict(each(range(100), do, lambda: False, unheard()))
    assert sorted(done) == list(range(100))
    assert {n: str(error) for n, error in done.items() if error} == {n: str(n) for n in range(3, 100, 10)}


def test_what_is_under_way_is_finished_and_nothing_more_begun() -> None:
    begun: list[int] = []
    going = threading.Event()

    def do(n: int) -> None:
        begun.append(n)
        going.wait(10)

    def stopping() -> bool:
        if len(begun) == AT_ONCE:
            going.set()
        return going.is_set()

    done: list[int] = []
    with pytest.raises(Interrupted):
        for n, _ in each(range(100), do, stopping, unheard()):
            done.append(n)
    assert sorted(done) == sorted(begun) == list(range(AT_ONCE))


def test_a_store_that_does_not_answer_does_not_keep_the_command_from_ending() -> None:
    never = threading.Event()
    begun = threading.Event()

    def do(_: int) -> None:
        begun.set()
        never.wait()

    started = time.monotonic()
    with pytest.raises(Interrupted):
        list(each(range(5), do, begun.is_set, unheard(), patience=0.1))
    assert time.monotonic() - started < 5
    never.set()


@pytest.mark.parametrize("pieces", [False, True])
def test_a_transfer_that_hangs_is_told_of_once_and_a_slow_one_is_not(
    pieces: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "SILENCE", 0.3)
    told: list[Event] = []
    silence, callback = Silence(STORE, told.append), waiting.pieces(None)
    if pieces:
        callback = waiting.pieces(silence)

    def do(_: int) -> None:
        for _ in range(10):
            time.sleep(0.1)
            callback.relative_update(1)

    assert [n for n, _ in each(range(3), do, lambda: False, silence)] != []
    assert len(told) == (not pieces)
    assert all(isinstance(one, Note) and one.message.startswith("s3://bucket/raw has not answered") for one in told)


@pytest.fixture
def memory() -> Iterator[Location]:
    files = fsspec.filesystem("memory")
    files.pipe_file("/replaced/dog/a.png", b"as it was listed")
    yield Location("memory://replaced", files, "/replaced")
    files.rm("/replaced", recursive=True)


def test_an_object_that_is_replaced_meanwhile_is_no_fault_of_the_store(memory: Location, tmp_path: Path) -> None:
    [one] = list_objects(memory, fail, lambda: False)
    fetch_object(memory, one, tmp_path / "a.png", 0)
    memory.file_system.pipe_file("/replaced/dog/a.png", b"another one")
    with pytest.raises(Replaced) as error:
        fetch_object(memory, one, tmp_path / "a.png", 0)
    assert concerns_object(error.value)
    assert (tmp_path / "a.png").read_bytes() == b"as it was listed"


def test_an_archive_that_hangs_can_be_left(memory: Location, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "SILENCE", 0.1)
    going = threading.Event()

    class Hanging(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            going.wait()
            return super().read(size)

    opened = Hanging(b"x" * 100)
    monkeypatch.setattr(memory.file_system, "open", lambda *_, **__: opened)
    told: list[Any] = []
    with open_watched(memory, "0.tar", told.append, lambda: bool(told)) as file, pytest.raises(Interrupted):
        file.read(10)
    going.set()
    assert [one.message.partition(" has")[0] for one in told] == ["memory://replaced"]
