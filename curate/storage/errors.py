"""Errors of stores: what a backend raises, as one readable error that names the address and says what to do."""

from __future__ import annotations

import errno
import re
from typing import Any

from curate.core.disk_errors import disk_errors
from curate.errors import CurateError, InputError, MissingError
from curate.storage.address import Location, kind_of, redacted

_NO_CREDENTIALS = re.compile(r"credential|NoAuth|DefaultCredentials|LocalTokenNotFound|token", re.IGNORECASE)
"""In the names of classes."""
_NO_ACCOUNT = re.compile(r"unable to connect to account|Must provide either a connection_string")
"""What adlfs says in a ValueError where it was given no keys."""
_KEYS = {
    "s3": "`aws configure`, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
    "gs": "`gcloud auth application-default login`, or GOOGLE_APPLICATION_CREDENTIALS",
    "az": "AZURE_STORAGE_CONNECTION_STRING, or AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY",
    "hf": "`hf auth login`, or HF_TOKEN",
}
"""How each kind of store is given keys."""
_PLACES = {"s3": "the endpoint (AWS_ENDPOINT_URL)", "az": "the account's name (AZURE_STORAGE_CONNECTION_STRING)"}
"""What else decides where a store is looked for."""
_NAMES = {"hf": "check the names of the owner, the data set and the folder in it: hf://datasets/OWNER/NAME/FOLDER"}
_LOCAL = frozenset((errno.ENOSPC, errno.EROFS, errno.EDQUOT if hasattr(errno, "EDQUOT") else -1, errno.ENAMETOOLONG))


class Replaced(OSError):  # noqa: N818 – a state of the object
    """An object is another one than the store listed a moment ago."""

    def __init__(self) -> None:
        super().__init__("it was replaced in the store during the run: the next one takes the new one")


class StoreFault(Exception):  # noqa: N818 – carries another
    """What a store raised, on its way past what is said of faults of this disk."""

    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        self.error = Replaced() if type(error).__name__ == "FileExpired" else error  # s3fs says so of an opened file


def storage_error(address: str, error: Exception) -> CurateError:
    """The error of ours for one that a backend raised when it worked on the address."""
    if isinstance(error, CurateError):
        return error
    reason = reason_of(error)
    kind = kind_of(address)
    keys = _KEYS.get(kind, "what the store's own programs use")
    if _is_gone(error):
        remedy = "check the names of the bucket and of the folder in it, capital letters too"
        return InputError(f"{address} does not exist: {reason}", _NAMES.get(kind, remedy))
    if _is_denied(error):
        remedy = f"check which keys are used ({keys}), and that they may read there, or write if it is the output"
        return InputError(f"access to {address} is denied: {reason}", remedy)
    if _NO_CREDENTIALS.search(type(error).__name__) or _NO_ACCOUNT.search(str(error)):
        return MissingError(f"there are no credentials for {address}: {reason}", f"give them: {keys}")
    if isinstance(error, OSError) and error.errno in _LOCAL:
        try:
            with disk_errors(str(error.filename or "the working folder")):
                raise error
        except CurateError as readable:
            return readable
    place = f" and {_PLACES[kind]}" if kind in _PLACES else ""
    remedy = f"check the network{place}, then run the same command again: it goes on there"
    return CurateError(f"{address} cannot be reached: {reason}", remedy)


def concerns_object(error: Exception) -> bool:
    """Whether the error concerns one object, rather than the store, the network or this disk."""
    if isinstance(error, Replaced):
        return True
    return _is_gone(error) or _is_denied(error) or (isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG)


def _is_gone(error: Exception) -> bool:
    return isinstance(error, FileNotFoundError) or _status(error) == 404


def _is_denied(error: Exception) -> bool:
    # gcsfs says it in words alone
    return isinstance(error, PermissionError) or _status(error) in (401, 403) or str(error).startswith("Forbidden: ")


def _status(error: Exception) -> int | None:
    """The status of the answer, where a backend hands on the error of a library, as Azure's, Google's and the hub's."""
    answer: Any = getattr(error, "response", None)
    status: Any = getattr(error, "status_code", None) or getattr(error, "code", None)
    status = status or getattr(answer, "status_code", None)
    return status if isinstance(status, int) else None


def in_words(location: Location, error: Exception) -> Exception:
    """The error that says more: S3 answers a question for one object without words, and one for a list with them."""
    if not location.speaks_s3 or reason_of(error) not in ("Forbidden", "Bad Request", "Not Found"):
        return error
    try:
        location.file_system.call_s3("list_objects_v2", Bucket=location.root.partition("/")[0], MaxKeys=1)
    except Exception as other:
        return other
    return error


def reason_of(error: Exception) -> str:
    """What a backend says, in one line and without keys."""
    text = str(error.strerror or error) if isinstance(error, OSError) else str(error)
    lines = text.strip().splitlines() or [type(error).__name__]
    line = " ".join(lines[:2]) if lines[0].endswith(":") else lines[0]
    # what stands behind ? in a web address may be signed
    return re.sub(r"(://[^?\s\"']*)\?[^\s\"']*", r"\1", redacted(line)) or type(error).__name__
