"""Scan: lists what is in the input folders and makes the first record of each picture; reads only."""

from curate.scan.concept_names import concept_names, ledger_path
from curate.scan.consenting import RIGHTS, UNCHECKED, ConsentChoice
from curate.scan.pictures import (
    SourcePicture,
    check_input,
    legible,
    list_pictures,
    picture_key,
    would_overwrite_sources,
)
from curate.scan.records import TRAINED, reopen, scan

__all__ = [
    "RIGHTS",
    "TRAINED",
    "UNCHECKED",
    "ConsentChoice",
    "SourcePicture",
    "check_input",
    "concept_names",
    "ledger_path",
    "legible",
    "list_pictures",
    "picture_key",
    "reopen",
    "scan",
    "would_overwrite_sources",
]
