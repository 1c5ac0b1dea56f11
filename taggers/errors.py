"""What can go wrong with a tagger, for callers that know nothing else of this package."""

from __future__ import annotations

import re
import textwrap

LONGEST = 300
"""Characters of a library's message that one of ours repeats."""


class TaggerError(Exception):
    """Base: `message` says what and where, `remedy` what to do."""

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message if not remedy else f"{message}\n  {remedy}")
        self.message = message
        self.remedy = remedy

    def __reduce__(self) -> tuple[type[TaggerError], tuple[str, str]]:
        return type(self), (self.message, self.remedy)


class UnknownTaggerError(TaggerError):
    """No tagger of that name, and no folder either."""


class BadModelError(TaggerError):
    """The model's files contradict each other or its family's rules."""


class BadTableError(TaggerError):
    """A table of implications or aliases is not what it should be."""


class MissingModelError(TaggerError):
    """The model's files are not on this machine and cannot be fetched."""


class NoGpuError(TaggerError):
    """A GPU was required and is not used; the message says why."""


def library_reason(error: BaseException) -> str:
    """What a library says went wrong: its first line, whole, or of a long one the first sentence.

    A line that ends with a colon is followed by the next. A sentence that is itself too long ends with a whole word.
    """
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    lines = [line for line in lines if "(Request ID" not in line] or lines  # the hub's number of a request
    text = " ".join(lines[: 2 if lines[0].endswith(":") else 1])
    sentence = text if len(text) <= LONGEST else re.split(r"(?<=[.!?])\s", text, maxsplit=1)[0]
    return textwrap.shorten(sentence, LONGEST, placeholder=" …").rstrip(".")
