"""Compare: what stands in a prepared folder against what the ledger says was written there."""

from __future__ import annotations

import os
from pathlib import Path

from curate import captions
from curate.captions import read_text
from curate.core.files import digest_file
from curate.core.store import Written


def same_text(a: str, b: str) -> bool:
    """Whether two captions say the same: a final newline, a byte-order mark or CRLF that an editor adds is no edit."""
    return _bare(a) == _bare(b)


def _bare(text: str) -> str:
    return text.removeprefix("\ufeff").replace("\r\n", "\n").rstrip("\n")


def unchanged(folder: Path, row: Written) -> bool:
    """Whether the picture file is still as we wrote it (by size and time, by content where the time differs)."""
    path = f"{folder}/{row.path}"
    try:
        stat = os.stat(path)  # noqa: PTH116
        if stat.st_size != row.size:
            return False
        return stat.st_mtime_ns == row.mtime or digest_file(Path(path)) == row.digest
    except OSError:
        return False


def same_as_one(text: str | None, *known: str | None) -> bool:
    """Whether the text is one of those known; None is never one."""
    return text is not None and any(k is not None and same_text(text, k) for k in known)


def caption_path(folder: Path, row: Written) -> str:
    """Where the caption of a picture of ours is; also one that a person wrote where none was generated.

    "" without one.
    """
    if row.caption_path:
        return row.caption_path
    beside = captions.caption_file(folder / row.path)
    return beside.relative_to(folder).as_posix() if beside else ""


def caption_of(folder: Path, row: Written) -> str | None:
    """The text of that caption; None where there is none."""
    path = caption_path(folder, row)
    return read_text(f"{folder}/{path}") if path else None
