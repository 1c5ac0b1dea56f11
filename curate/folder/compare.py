"""Compare: what is in a prepared folder against what the ledger says was written there."""

from __future__ import annotations

import os
from pathlib import Path

from curate import captions
from curate.core.files import digest_file
from curate.core.written import Written


def same_text(a: str, b: str) -> bool:
    """Whether two captions say the same: a final newline, a byte-order mark or CRLF that an editor adds is no edit."""
    return a == b or plain_text(a).rstrip("\n") == plain_text(b).rstrip("\n")


def plain_text(text: str) -> str:
    """A caption as it is kept and written: without byte-order marks, lines ended by a line feed."""
    return text.lstrip("\ufeff").replace("\r\n", "\n").replace("\r", "\n")


def read_text(path: Path | str) -> str | None:
    """A caption's plain text, whatever encoding an editor saved it in; None where there is no file to read."""
    text = captions.read_text(path)
    return None if text is None else plain_text(text)


def holds(path: str, text: str) -> bool:
    """Whether a file is this text byte by byte, in plain UTF-8: most captions are, and need no decoding."""
    if text.startswith("\ufeff"):
        return False
    try:
        with open(path, "rb", buffering=0) as file:  # noqa: PTH123
            return file.read() == text.encode()
    except (OSError, UnicodeEncodeError):
        return False


def picture_unchanged(folder: Path, row: Written) -> bool:
    """Whether the picture file is still as we wrote it (by size and time, by content where the time differs)."""
    path = f"{folder}/{row.path}"
    try:
        stat = os.stat(path)  # noqa: PTH116
        if stat.st_size != row.size:
            return False
        return stat.st_mtime_ns == row.mtime or digest_file(Path(path)) == row.digest
    except OSError:
        return False


def is_any_of(text: str | None, *known: str | None) -> bool:
    """Whether the text is one of those known; None is never one."""
    return text is not None and any(k is not None and same_text(text, k) for k in known)


def caption_path(folder: Path, row: Written) -> str:
    """Where the caption of a picture of ours is; also one that a person wrote where none was generated, or renamed.

    "" without one.
    """
    if row.caption_path and os.path.exists(f"{folder}/{row.caption_path}"):  # noqa: PTH110
        return row.caption_path
    beside = captions.caption_file(folder / row.path)
    return beside.relative_to(folder).as_posix() if beside else row.caption_path


def caption_text(folder: Path, row: Written) -> str | None:
    """The text of that caption; None where there is none."""
    if row.caption_path and holds(f"{folder}/{row.caption_path}", row.caption):
        return row.caption
    text = read_text(f"{folder}/{row.caption_path}") if row.caption_path else None
    if text is not None:
        return text
    path = caption_path(folder, row)
    return read_text(f"{folder}/{path}") if path else None
