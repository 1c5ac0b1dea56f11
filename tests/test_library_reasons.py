"""What libraries say of their errors reaches the user in whole sentences."""

from collections.abc import Callable

import pytest

import cleaners.errors
import curate.errors
import taggers.errors

LONG = "The network lacks " + ", ".join(f"blocks.{n}.weight" for n in range(99)) + ". Fetch it again."


@pytest.fixture(params=[curate.errors, taggers.errors, cleaners.errors], ids=lambda package: package.__name__)
def reason(request: pytest.FixtureRequest) -> Callable[[BaseException], str]:
    """The function of each of the packages, which share no code."""
    return request.param.library_reason


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ("It is damaged.\nThis happened at a.cpp:77", "It is damaged"),
        (
            "Error(s) in loading Net:\n\tMissing key(s): conv.\n\tOther.",
            "Error(s) in loading Net: Missing key(s): conv",
        ),
        ("404 Client Error. (Request ID: 7)\n\nThere is no such repository.", "There is no such repository"),
        (f"It is damaged. {LONG}", "It is damaged"),
        ("", "TimeoutError"),
    ],
)
def test_a_whole_sentence(reason: Callable[[BaseException], str], message: str, shown: str) -> None:
    assert reason(TimeoutError(message)) == shown


def test_a_sentence_that_is_too_long_ends_with_a_whole_word(reason: Callable[[BaseException], str]) -> None:
    shown = reason(ValueError(LONG))
    assert len(shown) <= 300
    assert LONG.startswith(shown.removesuffix(" …") + " ")
