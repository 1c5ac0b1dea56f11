"""Storage: pictures that lie in an object store or in archives, copied to this disk for a run, and what goes back."""

from curate.storage.address import backend_missing, is_address, misspelled, normalized, problem, redacted, work_folder
from curate.storage.archives import is_archive, local_archives
from curate.storage.inputs import Fetched, StoredInput, fetch, list_inputs
from curate.storage.output import Output
from curate.storage.places import Unread, refusal

__all__ = [
    "Fetched",
    "Output",
    "StoredInput",
    "Unread",
    "backend_missing",
    "fetch",
    "is_address",
    "is_archive",
    "list_inputs",
    "local_archives",
    "misspelled",
    "normalized",
    "problem",
    "redacted",
    "refusal",
    "work_folder",
]
