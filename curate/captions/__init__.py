"""Captions: caption files as text, text as tags and a sentence, and a record's caption as the line that is written."""

from curate.captions.encoding import Decoded, FolderTexts, decode, read_caption, read_folder, read_text
from curate.captions.files import EXTENSIONS, caption_file
from curate.captions.prose import is_prose
from curate.captions.text import KAOMOJI, canonical, parse, render, spaced

__all__ = [
    "EXTENSIONS",
    "KAOMOJI",
    "Decoded",
    "FolderTexts",
    "canonical",
    "caption_file",
    "decode",
    "is_prose",
    "parse",
    "read_caption",
    "read_folder",
    "read_text",
    "render",
    "spaced",
]
