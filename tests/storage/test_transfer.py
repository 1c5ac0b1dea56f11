"""Transfers, several at a time: what stops them, and what a store that does not answer holds up."""

from __future__ import annotations

import threading
import time

import pytest

from curate.errors import Interrupted
from curate.storage.transfer import AT_ONCE, each


def test_each_is_done_and_errors_come_with_what_they_are_of() -> None:
    def do(n: int) -> None:
        if n % 10 == 3:
            raise OSError(str(n))

    done = dict(each(range(100), do, lambda: False))
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
        for n, _ in each(range(100), do, stopping):
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
        list(each(range(5), do, begun.is_set, patience=0.1))
    assert time.monotonic() - started < 5
    never.set()
