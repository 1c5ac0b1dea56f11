"""Single files of Hugging Face repositories."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Generator
from pathlib import Path

from cleaners.errors import MissingModelError, library_reason

_BY_HAND = "download the file yourself and give its path"

# the level of a logger belongs to the process: two threads would put back each other's
_ONE_AT_A_TIME = threading.Lock()


def from_hub(repository: str, file: str, *, offline: bool) -> Path:
    """A file of a Hugging Face repository, fetched where it is not in the cache. Raises MissingModelError."""
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import (
        EntryNotFoundError,
        HfHubHTTPError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
    )

    try:
        with _quiet_hub():
            return Path(hf_hub_download(repository, file, local_files_only=offline))
    except LocalEntryNotFoundError as error:
        why = "this run is offline" if offline else "the hub cannot be reached"
        raise MissingModelError(f"{repository}/{file} is not on this machine and {why}", _BY_HAND) from error
    except (RepositoryNotFoundError, EntryNotFoundError) as error:
        raise MissingModelError(
            f"{repository}/{file}: the hub has no such file, or it needs a login", _BY_HAND
        ) from error
    except (HfHubHTTPError, OSError, ValueError) as error:
        raise MissingModelError(f"{repository}/{file} cannot be fetched: {library_reason(error)}", _BY_HAND) from error


@contextlib.contextmanager
def _quiet_hub() -> Generator[None]:
    """Without a line for each of the hub library's retries: what they come to is said once."""
    log = logging.getLogger("huggingface_hub")
    with _ONE_AT_A_TIME:
        level = log.level
        log.setLevel(logging.ERROR)
        try:
            yield
        finally:
            log.setLevel(level)
