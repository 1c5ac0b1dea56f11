"""Store: the ledger of a folder. What was computed, what was written, what a person changed; one writer, crash-safe."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, TypeVar

from curate.core.files import digest_file, disk_errors
from curate.errors import CurateError, InputError, MissingError

T = TypeVar("T")

LEDGER = ".curate"
"""The folder inside a prepared folder that holds the ledger, the pictures between passes and the event log."""

_SCHEMA = 1
_TABLES = """
CREATE TABLE IF NOT EXISTS results (key TEXT PRIMARY KEY, stage TEXT NOT NULL, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS files (path TEXT PRIMARY KEY, size INTEGER, mtime INTEGER, digest TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS written (
    path TEXT PRIMARY KEY, key TEXT NOT NULL, origin TEXT NOT NULL, digest TEXT NOT NULL, size INTEGER NOT NULL,
    mtime INTEGER NOT NULL, caption_path TEXT NOT NULL, caption TEXT NOT NULL, record BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS writing AS SELECT * FROM written WHERE 0;
CREATE TABLE IF NOT EXISTS edits (
    origin TEXT NOT NULL, key TEXT NOT NULL, text TEXT NOT NULL, PRIMARY KEY (origin, key)) WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True)
class Written:
    """One picture that was written to the folder, with the caption that was generated beside it.

    Paths are relative to the folder, in POSIX form. `digest`, `size` and `mtime` (ns) are the picture file's as written;
    `caption` is the text last generated, "" with an empty `caption_path` where none was written; `stored` is the
    record's plain form as JSON (see `as_json`), so that a later command goes on from it.
    """

    path: str
    key: str
    origin: str
    digest: str
    size: int
    mtime: int
    caption_path: str
    caption: str
    stored: str

    @property
    def record(self) -> Mapping[str, Any]:
        """The record's plain form; read only when asked for, since most runs only compare it."""
        return json.loads(self.stored)


_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))
_SORTED = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), sort_keys=True)


def _chunks(keys: Sequence[T], size: int = 500) -> Iterator[Sequence[T]]:
    for start in range(0, len(keys), size):
        yield keys[start : start + size]


class Store:
    """The ledger in `folder/.curate/ledger.sqlite`. The driver alone writes; what is committed survives kill -9."""

    def __init__(self, folder: Path) -> None:
        """Opens or makes the ledger. Raises InputError for one from a newer version, CurateError for a damaged one."""
        self.folder = folder
        self.root = folder / LEDGER
        path = self.root / "ledger.sqlite"
        with disk_errors(str(self.root)):
            self.root.mkdir(parents=True, exist_ok=True)
        try:
            self._db = sqlite3.connect(path, isolation_level=None, timeout=30)
        except sqlite3.Error as error:
            raise _damaged(path, error) from error
        try:
            self._prepare(path)
        except BaseException:
            self._db.close()
            raise
        self._path = path
        self._pending = 0
        self._since = time.monotonic()

    def _prepare(self, path: Path) -> None:
        try:
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=NORMAL")
            found = self._db.execute("PRAGMA user_version").fetchone()[0]
            if found > _SCHEMA:
                raise InputError(
                    f"{path} was written by a newer curate", "install that version, or use another output folder"
                )
            self._db.executescript(_TABLES)
            self._db.execute(f"PRAGMA user_version={_SCHEMA}")
        except sqlite3.Error as error:
            raise _damaged(path, error) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Commits and closes."""
        self.commit()
        self._db.close()

    def _write(self, sql: str, rows: Iterable[Sequence[Any]]) -> None:
        try:
            if not self._db.in_transaction:
                self._db.execute("BEGIN IMMEDIATE")
                self._since = time.monotonic()
            self._db.executemany(sql, rows)
        except sqlite3.Error as error:
            raise _damaged(self._path, error) from error
        if time.monotonic() - self._since > 0.5:
            self.commit()

    def _read(self, sql: str, values: Sequence[Any] = ()) -> list[Any]:
        try:
            return self._db.execute(sql, values).fetchall()
        except sqlite3.Error as error:
            raise _damaged(self._path, error) from error

    def commit(self) -> None:
        """Makes everything written so far survive a kill."""
        try:
            if self._db.in_transaction:
                self._db.execute("COMMIT")
        except sqlite3.Error as error:
            raise _damaged(self._path, error) from error

    # results of stages ------------------------------------------------------------------------------------------------

    def recall(self, keys: Sequence[str]) -> dict[str, Any]:
        """The known results among `keys`."""
        found: dict[str, Any] = {}
        for part in _chunks(keys):
            marks = ",".join("?" * len(part))
            for key, value in self._read(f"SELECT key, value FROM results WHERE key IN ({marks})", part):
                found[key] = json.loads(value)
        return found

    def remember(self, stage: str, results: Mapping[str, Any]) -> None:
        """Keeps results by key."""
        self._write(
            "INSERT OR REPLACE INTO results VALUES (?, ?, ?)",
            [(k, stage, _json(v)) for k, v in results.items()],
        )

    # file digests -----------------------------------------------------------------------------------------------------

    def digests(self, paths: Sequence[Path]) -> Iterator[tuple[Path, str | OSError]]:
        """Content digests in order, read again only where size or modification time changed; OSError where unreadable."""
        for path, _, digest in self.sized_digests(paths):
            yield path, digest

    def sized_digests(self, paths: Sequence[Path]) -> Iterator[tuple[Path, int, str | OSError]]:
        """`digests`, with the size in bytes."""
        for part in _chunks(paths):
            marks = ",".join("?" * len(part))
            names = [_text(p) for p in part]
            rows = self._read(f"SELECT path, size, mtime, digest FROM files WHERE path IN ({marks})", names)
            known = {path: (size, mtime, digest) for path, size, mtime, digest in rows}
            for path, name in zip(part, names, strict=True):
                try:
                    stat = path.stat()
                    size, mtime, digest = known.get(name, (None, None, ""))
                    if (size, mtime) != (stat.st_size, stat.st_mtime_ns):
                        digest = digest_file(path)
                        # a file changed within the clock's grain of now could change again
                        # unseen: do not trust its time
                        if time.time_ns() - stat.st_mtime_ns > 2_000_000_000:
                            self._write(
                                "INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?)",
                                [(name, stat.st_size, stat.st_mtime_ns, digest)],
                            )
                    yield path, stat.st_size, digest
                except OSError as error:
                    yield path, 0, error

    # what was written to the folder -----------------------------------------------------------------------------------

    def written(self) -> dict[str, Written]:
        """Everything the folder holds of ours, by picture path."""
        return {row[0]: Written(*row) for row in self._read("SELECT * FROM written ORDER BY path")}

    def wrote(self, rows: Iterable[Written]) -> None:
        """Notes pictures as written."""
        self._write("INSERT OR REPLACE INTO written VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", map(_row, rows))

    def intend(self, rows: Iterable[Written]) -> None:
        """Notes, and commits, what is about to be written: after a kill a file that matches is known to be ours.

        What an earlier run intended is forgotten: `look` has settled by now which of it was done.
        """
        self._write("DELETE FROM writing", [()])
        self._write("INSERT INTO writing VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", map(_row, rows))
        self.commit()

    def intended(self) -> list[Written]:
        """What a run that was killed was about to write; empty after a whole one."""
        return [Written(*row) for row in self._read("SELECT * FROM writing")]

    def settle(self) -> None:
        """Forgets the intentions: everything is as `written` says."""
        self._write("DELETE FROM writing", [()])
        self.commit()

    def forget_written(self, paths: Iterable[str]) -> None:
        """Drops rows of pictures that are no longer in the folder."""
        self._write("DELETE FROM written WHERE path = ?", [(p,) for p in paths])

    # what a person changed --------------------------------------------------------------------------------------------

    def edits(self) -> dict[tuple[str, str], str]:
        """Captions as edited by hand, by (origin digest, record key)."""
        return {(origin, key): text for origin, key, text in self._read("SELECT origin, key, text FROM edits")}

    def keep_edit(self, origin: str, key: str, text: str) -> None:
        """Keeps a caption that a person wrote."""
        self._write("INSERT OR REPLACE INTO edits VALUES (?, ?, ?)", [(origin, key, text)])

    def drop_edit(self, origin: str, key: str) -> None:
        """Forgets an edit that the person took back."""
        self._write("DELETE FROM edits WHERE origin = ? AND key = ?", [(origin, key)])


def _row(w: Written) -> tuple[Any, ...]:
    return (w.path, w.key, w.origin, w.digest, w.size, w.mtime, w.caption_path, w.caption, w.stored)


def as_json(value: Any) -> str:
    """Compact JSON with sorted keys: equal values give equal text."""
    return _json(value, _SORTED)


def _json(value: Any, encoder: json.JSONEncoder = _ENCODER) -> str:
    """JSON; names of files that are no Unicode are escaped, since the database takes text alone."""
    text = encoder.encode(value)
    try:
        text.encode()
    except UnicodeEncodeError:
        return json.dumps(value, separators=(",", ":"), sort_keys=encoder.sort_keys)
    return text


def _text(path: Path) -> str:
    return str(path).encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _damaged(path: Path, error: sqlite3.Error) -> CurateError:
    reason = str(error)
    if "disk is full" in reason or "full" in reason:
        return MissingError(
            f"the disk is full while writing {path}", "free some space and run again: what is done is kept"
        )
    if "readonly" in reason or "unable to open" in reason:
        return InputError(f"cannot write the ledger {path}: {reason}", "choose an output folder you may write to")
    return CurateError(
        f"the ledger {path} cannot be used: {reason}",
        "if the file is damaged, move it away: the run then starts afresh",
    )
