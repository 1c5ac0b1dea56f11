"""Captions: caption files as text, text as tags and a sentence, and a record's caption as the line that is written."""

from curate.captions.detect_encoding import UTF8
from curate.captions.encoding import Decoded, decode, read_caption, read_text, read_together
from curate.captions.encoding_messages import encoding_name, misread_message
from curate.captions.files import EXTENSIONS, LISTS, MASK, Beside, caption_file, sort_files
from curate.captions.folder import FolderCaptions, read_folder
from curate.captions.form import MARKER, FolderForm, decide, normalize, readings
from curate.captions.prose import is_prose
from curate.captions.reading import Caption, ReadCaptions, caption_of, read_in_order
from curate.captions.text import canonical, parse, parse_imported, render, render_tags, shown, spaced
from curate.captions.wording import Wording, draw, first, longest, odd_choice, offers_choice, possible

__all__ = [
    "EXTENSIONS",
    "LISTS",
    "MARKER",
    "MASK",
    "UTF8",
    "Beside",
    "Caption",
    "Decoded",
    "FolderCaptions",
    "FolderForm",
    "ReadCaptions",
    "Wording",
    "canonical",
    "caption_file",
    "caption_of",
    "decide",
    "decode",
    "draw",
    "encoding_name",
    "first",
    "is_prose",
    "longest",
    "misread_message",
    "normalize",
    "odd_choice",
    "offers_choice",
    "parse",
    "parse_imported",
    "possible",
    "read_caption",
    "read_folder",
    "read_in_order",
    "read_text",
    "read_together",
    "readings",
    "render",
    "render_tags",
    "shown",
    "sort_files",
    "spaced",
]
