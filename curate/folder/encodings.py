"""Encodings: captions in a prepared folder that other trainers misread, as an editor saved them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from curate import captions
from curate.core.events import Listener, Note
from curate.errors import InputError


def report_encodings(folder: Path, paths: Iterable[str], tell: Listener) -> None:
    """Names, folder by folder, those of some captions that are not plain UTF-8, and those that are no text."""
    places: dict[str, list[Path]] = {}
    for path in sorted(paths):
        if not _is_plain(f"{folder}/{path}"):
            places.setdefault(PurePosixPath(path).parent.as_posix(), []).append(folder / path)
    for place, files in places.items():
        texts = captions.read_together(files)
        odd = {file.name: one.encoding for file, one in texts.items() if isinstance(one, captions.Decoded)}
        if message := captions.misread_message(place, odd):
            tell(Note("warning", message))
        for error in (one for one in texts.values() if isinstance(one, InputError)):
            tell(Note("warning", f"{error.message}; {error.remedy}"))


def _is_plain(path: str) -> bool:
    try:
        with open(path, "rb", buffering=0) as file:  # noqa: PTH123 – of many thousands
            return captions.decode(file.read(), captions.UTF8).is_plain
    except OSError:
        return True
    except ValueError:
        return False
