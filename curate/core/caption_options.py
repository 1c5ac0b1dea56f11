"""Caption options: how captions that came with pictures are read, where a person says it."""

from __future__ import annotations

import codecs
from dataclasses import dataclass
from typing import Literal

CaptionForm = Literal["auto", "tags", "spaces", "lines", "semicolons", "sentence"]
"""What separates tags: commas, spaces, line ends or semicolons; a sentence has none. auto: what the folder shows."""

CaptionVariants = Literal["one", "lines", "files"]
"""Where the captions of a picture stand, of which each showing has one."""

FORM_HELP = (
    "How captions are written: tags (separated by commas), spaces, lines or semicolons (tags separated by these), "
    "sentence (one sentence), or auto (the form most captions in the folder have)."
)
ENCODING_HELP = (
    "Encoding of captions without a byte-order mark: utf-8, gb18030, cp1251, shift_jis …; "
    "auto: UTF-8 if valid, otherwise detected from all captions of the folder."
)


def codec(value: str) -> str:
    """The name by which Python knows an encoding; auto stays. Raises ValueError."""
    if value == "auto":
        return value
    try:
        "a".encode(value)
        return codecs.lookup(value).name
    except LookupError:
        raise ValueError(
            f'there is no text encoding "{value}": for example utf-8, gb18030, cp1251, shift_jis'
        ) from None


@dataclass(frozen=True, slots=True)
class CaptionReading:
    """How captions are read: their form, their encoding, and the ending that comes before the others.

    variants   whether lines, or several files, are captions of their own
    wildcards  whether `{a|b}` is a choice
    """

    form: CaptionForm = "auto"
    encoding: str = "auto"
    extension: str = ".txt"
    variants: CaptionVariants = "one"
    wildcards: bool = False

    @property
    def is_list(self) -> bool:
        """Whether a caption file is a JSON list of captions."""
        return self.extension.casefold() == ".json"
