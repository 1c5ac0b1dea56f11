"""The error tree: every failure a user can meet, each with its exit code."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Sequence

LONGEST = 300
"""Characters of a library's message that one of ours repeats."""


class CurateError(Exception):
    """Base of everything curate raises on purpose: one readable message, one exit code.

    `message` says what, where and what was expected; `remedy` says what to do. An error that sums up several has these
    as `parts`.
    """

    exit_code = 1
    parts: Sequence[CurateError] = ()

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message if not remedy else f"{message}\n  {remedy}")
        self.message = message
        self.remedy = remedy

    def __reduce__(self) -> tuple[type[CurateError], tuple[str, str]]:
        return type(self), (self.message, self.remedy)


class InputError(CurateError):
    """The user's input is wrong: a pipeline file, an option, a folder (exit 2)."""

    exit_code = 2


class MissingError(CurateError):
    """This machine lacks something: a model file, a library, a GPU, disk space (exit 3)."""

    exit_code = 3


def unloadable(error: ImportError) -> MissingError:
    """The message for a library that Python or the system does not load, whatever picture was at hand."""
    remedy = "curate doctor shows what this machine lacks and how to get it"
    return MissingError(f"a library does not load: {error}", remedy)


class Interrupted(CurateError):  # noqa: N818 – the field's word
    """Ctrl-C or SIGTERM; everything finished so far is kept and a rerun continues (exit 130)."""

    exit_code = 130


def interruption() -> Interrupted:
    """What a run raises when the user stopped it."""
    return Interrupted("stopped", "run the same command to resume: finished work is kept")


class LockedError(CurateError):
    """Another run works on the same output folder (exit 1)."""


class PictureError(CurateError):
    """One picture cannot be used; the run sets it aside with this message and goes on."""


def library_reason(error: BaseException) -> str:
    """What a library says went wrong: its first line, whole, or of a long one the first sentence.

    A line that ends with a colon is followed by the next. A sentence that is itself too long ends with a whole word.
    """
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    lines = [line for line in lines if "(Request ID" not in line] or lines  # the hub's number of a request
    text = " ".join(lines[: 2 if lines[0].endswith(":") else 1])
    sentence = text if len(text) <= LONGEST else re.split(r"(?<=[.!?])\s", text, maxsplit=1)[0]
    return textwrap.shorten(sentence, LONGEST, placeholder=" …").rstrip(".")
