"""What can go wrong with a cleaner, for callers that know nothing else of this package."""

from __future__ import annotations


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
