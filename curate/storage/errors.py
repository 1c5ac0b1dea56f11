"""Errors of stores: what a backend raises, as one readable error that names the address and says what to do."""

from __future__ import annotations

import errno
import re

from curate.core.files import disk_errors
from curate.errors import CurateError, InputError, MissingError
from curate.storage.address import redacted

_NO_CREDENTIALS = re.compile(r"credential|NoAuth|DefaultCredentials|LocalTokenNotFound|token", re.IGNORECASE)
_LOCAL = frozenset((errno.ENOSPC, errno.EROFS, errno.EDQUOT if hasattr(errno, "EDQUOT") else -1, errno.ENAMETOOLONG))


def storage_error(address: str, error: Exception) -> CurateError:
    """The error of ours for one that a backend raised when it worked on the address."""
    if isinstance(error, CurateError):
        return error
    kind, reason = type(error).__name__, reason_of(error)
    if isinstance(error, FileNotFoundError):
        return InputError(
            f"{address} does not exist: {reason}", "check the names of the bucket and of the folder in it"
        )
    if isinstance(error, PermissionError):
        remedy = "check which keys are used, and that they may read there, or write if it is the output"
        return InputError(f"access to {address} is denied: {reason}", remedy)
    if _NO_CREDENTIALS.search(kind):
        remedy = "give them as the store's own programs take them, such as `aws configure` or AWS_ACCESS_KEY_ID"
        return MissingError(f"there are no credentials for {address}: {reason}", remedy)
    if isinstance(error, OSError) and error.errno in _LOCAL:
        try:
            with disk_errors(str(error.filename or "the working folder")):
                raise error
        except CurateError as readable:
            return readable
    remedy = "check the network and the endpoint (AWS_ENDPOINT_URL), then run the same command again: it goes on there"
    return CurateError(f"{address} cannot be reached: {reason}", remedy)


def concerns_object(error: Exception) -> bool:
    """Whether the error concerns one object, rather than the store, the network or this disk."""
    if isinstance(error, (FileNotFoundError, PermissionError)):
        return True
    return isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG


def reason_of(error: Exception) -> str:
    """What a backend says, in one line and without keys."""
    text = str(error.strerror or error) if isinstance(error, OSError) else str(error)
    lines = text.strip().splitlines() or [type(error).__name__]
    # what stands behind ? in a web address may be signed
    return re.sub(r"(://[^?\s\"']*)\?[^\s\"']*", r"\1", redacted(lines[0])) or type(error).__name__
