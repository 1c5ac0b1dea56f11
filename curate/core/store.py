"""Store: the ledger of a folder. What was computed, what was written, what a person changed; one writer, crash-safe."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from curate.core import json_text
from curate.core.cache import cache_folder
from curate.core.database import chunks
from curate.core.digests import FileDigests, text_digest
from curate.core.written import WrittenTables

LEDGER = ".curate"
"""The folder inside a prepared folder that holds the ledger, the pictures between passes and the event log."""
STAGING = "staging"
"""The folder in it where files for the prepared folder are written, before they are moved to their places."""
SUMMARY = "summary.json"
"""The file in it that keeps the figures of the last run or command."""
REPORT = f"{LEDGER}/report.html"
"""The health report of a prepared folder; beside the ledger, since it tells of times and is no part of the dataset."""


def wrote_pictures(folder: Path) -> bool:
    """Whether curate wrote pictures to a folder, or was killed at it, by its ledger; one that is unreadable counts so.

    A ledger may also hold just what a person asks for the pictures of a folder of their own.
    """
    ledger = folder / LEDGER / "ledger.sqlite"
    if not ledger.exists():
        return False
    try:
        with contextlib.closing(sqlite3.connect(f"{ledger.absolute().as_uri()}?mode=ro", uri=True)) as db:
            return db.execute("SELECT 1 FROM written UNION ALL SELECT 1 FROM writing LIMIT 1").fetchone() is not None
    except sqlite3.Error:
        return True


def ledger_place(folder: Path) -> Path:
    """The folder whose LEDGER keeps what is known of `folder`: itself, or one in the cache where it takes no files."""
    if not folder.is_dir() or os.access(folder, os.W_OK):
        return folder
    whole = folder.resolve()
    return cache_folder() / "folders" / f"{whole.name}-{text_digest(str(whole))[:12]}"


class Store(WrittenTables):
    """The ledger in `folder/.curate/ledger.sqlite`. The driver alone writes; what is committed survives kill -9."""

    def __init__(self, folder: Path) -> None:
        """Opens or makes the ledger. Raises InputError for one from a newer version, CurateError for a damaged one."""
        self.folder = folder
        self.root = folder / LEDGER
        super().__init__(self.root / "ledger.sqlite")
        self.file_digests = FileDigests(self)

    # results of stages ------------------------------------------------------------------------------------------------

    def recall(self, keys: Sequence[str]) -> dict[str, Any]:
        """The known results among `keys`."""
        found: dict[str, Any] = {}
        for part in chunks(keys):
            rows = dict(self.read_among("SELECT key, value FROM results WHERE key IN", part))
            # read as one text: a name that many rows hold is then one string
            found |= zip(rows, json.loads(f"[{','.join(rows.values())}]"), strict=True)
        return found

    def remember(self, stage: str, results: Mapping[str, Any]) -> None:
        """Keeps results by key."""
        self.write(
            "INSERT OR REPLACE INTO results VALUES (?, ?, ?)",
            [(k, stage, json_text.compact(v)) for k, v in results.items()],
        )

    # answers about source files ---------------------------------------------------------------------------------------

    def consent(self, reader: int, origins: Sequence[str]) -> dict[str, Any]:
        """What version `reader` of the consent check answered about source files, by their digest; JSON-able."""
        rows = self.read_among("SELECT origin, answer FROM consent WHERE reader = ? AND origin IN", origins, [reader])
        return {origin: json.loads(answer) for origin, answer in rows}

    def keep_consent(self, reader: int, answers: Mapping[str, Any]) -> None:
        """Keeps answers of the consent check, by the digest of the source file."""
        rows = [(origin, reader, json_text.compact(answer)) for origin, answer in answers.items()]
        self.write("INSERT OR REPLACE INTO consent VALUES (?, ?, ?)", rows)

    # file digests -----------------------------------------------------------------------------------------------------

    def digests(self, paths: Sequence[Path]) -> Iterator[tuple[Path, str | OSError]]:
        """Content digests in order, read again only where size or time changed; OSError where unreadable."""
        for path, _, digest in self.sized_digests(paths):
            yield path, digest

    def sized_digests(self, paths: Sequence[Path]) -> Iterator[tuple[Path, int, str | OSError]]:
        """`digests`, with the size in bytes."""
        return self.file_digests.sized(paths, "blake2b")
