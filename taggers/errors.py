"""What can go wrong with a tagger, for callers that know nothing else of this package."""

from __future__ import annotations


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
