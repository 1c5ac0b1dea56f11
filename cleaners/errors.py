"""What can go wrong with a cleaner, for callers that know nothing else of this package."""

from __future__ import annotations

import re
import textwrap

LONGEST = 300
"""Characters of a library's message that one of ours repeats."""


class CleanerError(Exception):
    """Base: `message` says what and where, `remedy` what to do."""

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message if not remedy else f"{message}\n  {remedy}")
        self.message = message
        self.remedy = remedy

    def __reduce__(self) -> tuple[type[CleanerError], tuple[str, str]]:
        return type(self), (self.message, self.remedy)


class BadModelError(CleanerError):
    """A model file is broken, unsafe, or of a kind that cannot be used here."""


class MissingModelError(CleanerError):
    """A model file is not on this machine and cannot be fetched, or a library that it needs is not installed."""


class UnknownModelError(CleanerError):
    """The name that was given is neither a file or folder that is there nor a known model."""


class MemoryShortError(CleanerError):
    """Even the smallest tile does not fit into memory."""


def library_reason(error: BaseException) -> str:
    """What a library says went wrong: its first line, whole, or of a long one the first sentence.

    A line that ends with a colon is followed by the next. A sentence that is itself too long ends with a whole word.
    """
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    lines = [line for line in lines if "(Request ID" not in line] or lines  # the hub's number of a request
    text = " ".join(lines[: 2 if lines[0].endswith(":") else 1])
    sentence = text if len(text) <= LONGEST else re.split(r"(?<=[.!?])\s", text, maxsplit=1)[0]
    return textwrap.shorten(sentence, LONGEST, placeholder=" …").rstrip(".")
