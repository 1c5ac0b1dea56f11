"""Folder: the captions of one folder by picture."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from curate.captions.form import FolderForm
from curate.captions.reading import Caption, read_in_order
from curate.core.caption_options import CaptionReading
from curate.errors import InputError


@dataclass(frozen=True, slots=True)
class FolderCaptions:
    """The captions of one folder by picture; pictures without one are in neither mapping.

    errors    of pictures whose caption cannot be read
    messages  what the person should know of how they were read
    form      how the captions are written
    """

    captions: Mapping[Path, Caption]
    errors: Mapping[Path, InputError]
    messages: tuple[str, ...]
    form: FolderForm


def read_folder(
    place: str, files: Mapping[Path, Sequence[Path]], reading: CaptionReading, own: Collection[str] = ()
) -> FolderCaptions:
    """Reads the captions of one folder, as `read_in_order`. `files` has the caption files beside each picture."""
    result = read_in_order(place, files.values, reading, own)
    captions: dict[Path, Caption] = {}
    errors: dict[Path, InputError] = {}
    for picture, one in zip(files, result.each, strict=True):
        if isinstance(one, InputError):
            errors[picture] = one
        elif one is not None:
            captions[picture] = one
    return FolderCaptions(captions, errors, result.messages, result.form)
