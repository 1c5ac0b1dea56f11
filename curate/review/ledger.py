"""Ledger: what the ledger of a folder knows, read again only where somebody wrote to it."""

from __future__ import annotations

import contextlib
import json
import re
import sqlite3
import tempfile
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from curate import folder
from curate.core.database import readable
from curate.core.lock import run_lock
from curate.core.store import LEDGER, SUMMARY, Store, ledger_place
from curate.core.transform import Transform
from curate.core.user_changes import Identity
from curate.errors import LockedError
from curate.folder.instructions import source_file
from curate.review.bulk_texts import BulkEdits
from curate.review.known_rows import KnownRows
from curate.review.snapshot import stamp_of
from curate.review.source_files import SourceFiles
from curate.tags_folder import Known, silent
from curate.train.storage import picture_losses

_DUPLICATE = re.compile(r"(?:near )?duplicate of (.+)")

Version = int | tuple[tuple[int, int], tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Aside:
    """A picture that is not in the folder, and why; `source` is the file it was made of, "" where nobody knows."""

    key: str
    reason: str
    source: str = ""
    path: str = ""

    @property
    def duplicate_of(self) -> str:
        """The key of the picture that stayed in its place, "" where it was set aside for another reason."""
        match = _DUPLICATE.fullmatch(self.reason)
        return match[1] if match else ""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a run shall make of a picture: a transform of its source, and another concept; None for what it is."""

    transform: Transform | None = None
    concept: str | None = None


@dataclass(frozen=True, slots=True)
class Content:
    """The ledger at one moment. `known` is what captions are read with, `aside` is by key."""

    known: Known = field(default_factory=Known)
    aside: Mapping[str, Aside] = field(default_factory=dict[str, Aside])
    sources: SourceFiles = field(default_factory=SourceFiles)
    wanted: Mapping[str, Wanted] = field(default_factory=dict[str, Wanted])
    """What the person asked for pictures, by key."""

    def source(self, origin: str, key: str) -> str:
        """The file that a picture was made of, "" where nobody knows."""
        return self.sources.named(origin, key)


class Ledger:
    """Reads the ledger of a folder; an empty one where curate never worked on it."""

    def __init__(self, target: Path) -> None:
        self.target = target
        self._file = target / LEDGER / "ledger.sqlite"
        self._watch: sqlite3.Connection | None = None
        self._version: Version = -1
        self._summary = (0, 0)
        self.rows = KnownRows()
        self._sources = SourceFiles()
        self._sources_state: tuple[int, float] = (0, 0)
        self._bulk = BulkEdits(target / LEDGER, self.rows)
        self.content = Content()
        self._losses: dict[str, float] = {}
        self._losses_state: tuple[Path | None, tuple[int, int]] = (None, (0, 0))

    def close(self) -> None:
        """Ends the connection that hears of changes."""
        if self._watch is not None:
            self._watch.close()

    def refresh(self) -> bool:
        """Reads it anew where it changed, or a training went on; returns whether that is so."""
        trained = self._read_losses()
        if not self._file.is_file():
            return trained
        version, summary = self._data_version(), stamp_of(self._summary_file)
        if (version, summary) == (self._version, self._summary):
            return trained
        self._version, self._summary = version, summary
        self.content = self._read()
        return True

    def is_current(self) -> bool:
        """Whether nobody wrote to it since it was last read; that stays so while the folder is locked."""
        if not self._file.is_file():
            return self._watch is None
        return self._watch is not None and self._data_version() == self._version

    def wrote_captions(self) -> None:
        """Takes note that captions were written, and nothing else: what was read of it stays right, but bulk edits."""
        self._version = self._data_version()
        self._bulk.expire()

    def _data_version(self) -> Version:
        """What changes with each write to the ledger; SQLite cannot watch a file in a folder that takes no files."""
        if self._is_read_only:
            return stamp_of(self._file), stamp_of(self._file.with_name(f"{self._file.name}-wal"))
        try:
            if self._watch is None:
                self._watch = sqlite3.connect(self._file, timeout=5, check_same_thread=False)
            number: int = self._watch.execute("PRAGMA data_version").fetchone()[0]
        except sqlite3.Error as error:
            raise readable(self._file, error) from error
        return number

    def loss(self, picture: str) -> float | None:
        """The mean loss of a picture file in the latest training, None where it was not in it."""
        return self._losses.get(picture_losses.picture_name(Path(picture))) if self._losses else None

    def _read_losses(self) -> bool:
        path = picture_losses.latest(self.target)
        state = (path, stamp_of(path) if path else (0, 0))
        if state == self._losses_state:
            return False
        self._losses_state, self._losses = state, picture_losses.read(path)
        return True

    def follow(self) -> None:
        """Lets the ledger follow what the person moved, renamed or removed; nothing where a run is at it."""
        if self._is_read_only or not self._file.is_file():
            return
        with contextlib.suppress(LockedError), run_lock(self.target), Store(self.target) as store:
            folder.read_changes(self.target, store, silent)

    @property
    def _is_read_only(self) -> bool:
        return ledger_place(self.target) != self.target

    @property
    def _summary_file(self) -> Path:
        return self.target / LEDGER / SUMMARY

    def _read(self) -> Content:
        with self._store() as store:
            self.rows.read(store.each_written())
            self._bulk.expire()
            known = Known(self.rows.rows, self._bulk, self.rows.records)
            if (state := store.file_digests.state("blake2b")) != self._sources_state:
                self._sources = SourceFiles(store.file_digests.each_path("blake2b"))
                self._sources_state = state
            aside = _aside(self._summary_file, store, self._sources)
            transforms = {key: kept.transform for (_, key), kept in store.transforms().items()}
            concepts = {key: name for (_, key), name in store.concept_overrides().items()}
        keys = transforms.keys() | concepts.keys()
        wanted = {key: Wanted(transforms.get(key), concepts.get(key)) for key in keys}
        return Content(known, aside, self._sources, wanted)

    def source(self, identity: Identity) -> Path | None:
        """The file that a picture was made of, where it still is what it was."""
        if not self._file.is_file():
            return None
        with self._store() as store:
            return source_file(store, identity)

    @contextlib.contextmanager
    def _store(self) -> Generator[Store]:
        """The ledger to read from; a copy where the folder is read-only."""
        with contextlib.ExitStack() as stack:
            place = self.target
            if self._is_read_only:
                place = Path(stack.enter_context(tempfile.TemporaryDirectory()))
                folder.copy_ledger(self.target, place)
            yield stack.enter_context(Store(place))


def _aside(summary: Path, store: Store, sources: SourceFiles) -> dict[str, Aside]:
    """What stages of the last run set aside, and what the person removed."""
    try:
        rows: list[dict[str, Any]] = json.loads(summary.read_text(encoding="utf-8"))["aside"]
    except (OSError, ValueError, KeyError):
        rows = []
    keys = {row["key"] for row in rows}
    origins = {key: origin for origin, key in store.each_source() if key in keys} if keys else {}
    result = {
        row["key"]: Aside(row["key"], row["reason"], sources.named(origins.get(row["key"], ""), row["key"]))
        for row in rows
    }
    for (origin, key), removal in store.removed().items():
        result[key] = Aside(key, "you removed it", sources.named(origin, key), removal.path)
    return result
