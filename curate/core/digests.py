"""Digests of files and texts, remembered while a file's size and time of change stay."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from curate.core import files


def text_digest(*parts: str) -> str:
    """sha256 of parts, which may hold anything."""
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


class Known:
    """Digests by path, size and time of change, kept in one JSON file."""

    def __init__(self, path: Path) -> None:
        """An unreadable file counts as empty: it is only a memory."""
        self.path = path
        self.changed = False
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
            self.rows: dict[str, list[str]] = found if isinstance(found, dict) else {}
        except (OSError, ValueError):
            self.rows = {}

    def of(self, path: Path) -> str:
        """The file's sha256."""
        stat = path.stat()
        stamp = f"{stat.st_size}/{stat.st_mtime_ns}/{stat.st_ino}"
        key = str(path.resolve())
        row = self.rows.get(key)
        if row and row[0] == stamp:
            return row[1]
        digest = _sha256(path)
        self.rows[key] = [stamp, digest]
        self.changed = True
        return digest

    def save(self) -> None:
        """Writes what was learnt, if anything."""
        if self.changed:
            write_atomic(self.path, json.dumps(self.rows, indent=0, sort_keys=True).encode())
            self.changed = False


def file_digest(path: Path, known: Known | None = None) -> str:
    """sha256 of a file's bytes."""
    return known.of(path) if known is not None else _sha256(path)


def legacy_digest(path: Path) -> str:
    """The hash that kohya and older user interfaces call models by: of 64 KiB from 1 MiB on, 8 hexadecimal digits."""
    with path.open("rb") as file:
        file.seek(0x100000)
        return hashlib.sha256(file.read(0x10000)).hexdigest()[:8]


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_atomic(path: Path, data: bytes) -> None:
    """Writes a file so that a crash leaves the old one or the new one, whole.

    Raises a CurateError where the disk refuses.
    """
    files.write_atomic(path, lambda work: work.write_bytes(data))
