"""Warnings that a thread ignores for a block: the filters are as before when it ends, in whatever order threads do."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator

import pytest

from curate.core.warning_filters import ignore_warnings


@pytest.fixture(autouse=True)
def filters_as_before() -> Iterator[None]:
    before = list(warnings.filters)
    yield
    assert list(warnings.filters) == before


def test_only_the_blocks_warnings_are_ignored() -> None:
    with ignore_warnings():
        warnings.warn("ignored", UserWarning, stacklevel=1)
    with pytest.warns(UserWarning, match="heard"):
        warnings.warn("heard", UserWarning, stacklevel=1)


@pytest.mark.parametrize(
    ("message", "category", "heard"),
    [
        ("an old form", FutureWarning, False),
        ("AN OLD FORM of it", FutureWarning, False),
        ("not an old form", FutureWarning, True),
        ("an old form", UserWarning, True),
    ],
)
def test_a_message_and_a_category_are_ignored_alone(message: str, category: type[Warning], heard: bool) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with ignore_warnings("an old", FutureWarning):
            warnings.warn(message, category, stacklevel=1)
    assert bool(caught) == heard


def test_an_error_and_nested_blocks_restore_the_filters() -> None:
    before = list(warnings.filters)
    with pytest.raises(KeyError), ignore_warnings():
        inside = list(warnings.filters)
        with pytest.raises(ValueError, match="wrong"), ignore_warnings():
            assert list(warnings.filters) == inside != before
            raise ValueError("wrong")
        warnings.warn("still ignored", UserWarning, stacklevel=1)
        raise KeyError
    assert list(warnings.filters) == before


def test_other_threads_are_heard() -> None:
    raised: list[BaseException] = []

    def warn() -> None:
        try:
            warnings.warn("from another thread", UserWarning, stacklevel=1)
        except UserWarning as error:  # pytest makes errors of warnings
            raised.append(error)

    with ignore_warnings():
        thread = threading.Thread(target=warn)
        thread.start()
        thread.join()
    assert len(raised) == 1


def test_threads_that_leave_in_another_order_restore_the_filters() -> None:
    inside, leave, outside = threading.Event(), threading.Event(), threading.Event()

    def work() -> None:
        with ignore_warnings():
            inside.set()
            leave.wait(10)
        outside.set()

    thread = threading.Thread(target=work)
    with ignore_warnings():
        thread.start()
        assert inside.wait(10)
    with pytest.warns(UserWarning):
        warnings.warn("the other thread is still inside", UserWarning, stacklevel=1)
    leave.set()
    assert outside.wait(10)
    thread.join()


@pytest.mark.parametrize("first", [True, False], ids=["block ends first", "catch_warnings ends first"])
def test_catch_warnings_around_the_end_or_the_beginning_keeps_no_filter(first: bool) -> None:
    """Other code may exchange the list while a thread is inside."""
    block, caught = ignore_warnings(), warnings.catch_warnings()
    entered = (block, caught) if first else (caught, block)
    for one in entered:
        one.__enter__()
    for one in entered:
        one.__exit__(None, None, None)
