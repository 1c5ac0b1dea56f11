"""Several errors as one: its exit code says whether the user has to mend something."""

from __future__ import annotations

import pytest

from curate.core.findings import combined
from curate.errors import CurateError, InputError, MissingError

WRONG, LACKING = InputError("rank: too high", "lower it"), MissingError("no GPU")


@pytest.mark.parametrize(
    ("errors", "code", "start"),
    [
        ([WRONG], 2, "rank: too high"),
        ([LACKING, MissingError("no GPU")], 3, "no GPU"),
        ([WRONG, InputError("alpha")], 2, "2 things are wrong:\n- rank: too high\n    lower it\n- alpha"),
        ([LACKING, MissingError("no disk")], 3, "2 things are missing:\n- no GPU\n- no disk"),
        ([LACKING, WRONG], 2, "2 things are wrong or missing:\n- no GPU\n- rank: too high"),
    ],
)
def test_what_the_user_gave_wrong_decides_the_exit_code(errors: list[CurateError], code: int, start: str) -> None:
    error = combined(errors)
    assert error.exit_code == code and str(error).startswith(start)
