"""Folder: a prepared folder on disk. What we wrote, what a person changed there, and how it is brought up to date."""

from curate.folder.compare import same_text, unchanged
from curate.folder.edits import look
from curate.folder.journal import Journal, undo, unfinished
from curate.folder.publish import publish, stands
from curate.folder.scene import Published, suffix

__all__ = [
    "Journal",
    "Published",
    "look",
    "publish",
    "same_text",
    "stands",
    "suffix",
    "unchanged",
    "undo",
    "unfinished",
]
