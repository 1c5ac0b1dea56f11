"""Folder: a prepared folder on disk. What we wrote, what a person changed there, and how it is brought up to date."""

from curate.folder.bulk_edits import BULK_EDITS, bulk_edits, changed_by_bulk_edits, keep_bulk_edits
from curate.folder.compare import caption_path, same_text
from curate.folder.edits import Changes, keep_caption_edits, read_changes
from curate.folder.foreign_pictures import report_foreign_pictures
from curate.folder.instruction_matching import Instructions
from curate.folder.journal import Journal
from curate.folder.ledger_copy import copy_ledger, untouched_ledger
from curate.folder.publish import is_current, publish
from curate.folder.recognize import Recognized, keep_sources, recognize, with_edits
from curate.folder.removals import matching_removals, remove, restore, restore_pictures
from curate.folder.state import Published, suffix
from curate.folder.undo import has_undo, undo, unfinished
from curate.names import source_key

__all__ = [
    "BULK_EDITS",
    "Changes",
    "Instructions",
    "Journal",
    "Published",
    "Recognized",
    "bulk_edits",
    "caption_path",
    "changed_by_bulk_edits",
    "copy_ledger",
    "has_undo",
    "is_current",
    "keep_bulk_edits",
    "keep_caption_edits",
    "keep_sources",
    "matching_removals",
    "publish",
    "read_changes",
    "recognize",
    "remove",
    "report_foreign_pictures",
    "restore",
    "restore_pictures",
    "same_text",
    "source_key",
    "suffix",
    "undo",
    "unfinished",
    "untouched_ledger",
    "with_edits",
]
