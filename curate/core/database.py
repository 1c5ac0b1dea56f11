"""Database: one SQLite file that the driver alone writes; what is committed survives a kill."""

from __future__ import annotations

import contextlib
import itertools
import json
import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Self, TypeVar

from curate.core.disk_errors import disk_errors, full_disk, has_room
from curate.errors import CurateError, InputError, LockedError

T = TypeVar("T")

VERSION = 8
"""Of the tables. 1 kept consent marks and files beside pictures among the results of stages; 2 had digests of one
algorithm; 3 noted no removals; 4 forgot an edit when a newer one replaced it; 5 did not know
which pictures a run before it had set aside; 6 knew no crops, turns,
other concepts or masks by a person; 7 knew no run as a whole."""

_TABLES = """
CREATE TABLE IF NOT EXISTS results (key TEXT PRIMARY KEY, stage TEXT NOT NULL, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS file_digests (
    path TEXT NOT NULL, algorithm TEXT NOT NULL, size INTEGER, mtime INTEGER, digest TEXT NOT NULL,
    PRIMARY KEY (path, algorithm)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS consent (
    origin TEXT NOT NULL, reader INTEGER NOT NULL, answer BLOB NOT NULL, PRIMARY KEY (origin, reader)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS written (
    path TEXT PRIMARY KEY, key TEXT NOT NULL, origin TEXT NOT NULL, digest TEXT NOT NULL, size INTEGER NOT NULL,
    mtime INTEGER NOT NULL, caption_path TEXT NOT NULL, caption TEXT NOT NULL, record BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS writing AS SELECT * FROM written WHERE 0;
CREATE TABLE IF NOT EXISTS removing (path TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS side_files (
    path TEXT PRIMARY KEY, kind TEXT NOT NULL, source TEXT NOT NULL, digests TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS edits (
    origin TEXT NOT NULL, key TEXT NOT NULL, text TEXT NOT NULL, PRIMARY KEY (origin, key)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS past_edits (
    origin TEXT NOT NULL, key TEXT NOT NULL, text TEXT NOT NULL, PRIMARY KEY (origin, key, text)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS sources (origin TEXT NOT NULL, key TEXT NOT NULL, PRIMARY KEY (origin, key)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS unplaced (
    path TEXT PRIMARY KEY, origin TEXT NOT NULL, key TEXT NOT NULL, text TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS removed (
    origin TEXT NOT NULL, key TEXT NOT NULL, path TEXT NOT NULL, captioned INTEGER NOT NULL,
    PRIMARY KEY (origin, key)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS repeats (
    concept TEXT PRIMARY KEY, repeats INTEGER NOT NULL, generated INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS transforms (
    origin TEXT NOT NULL, key TEXT NOT NULL, transform TEXT NOT NULL, width INTEGER NOT NULL, height INTEGER NOT NULL,
    phash TEXT NOT NULL, PRIMARY KEY (origin, key)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS concept_overrides (
    origin TEXT NOT NULL, key TEXT NOT NULL, concept TEXT NOT NULL, PRIMARY KEY (origin, key)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS painted_masks (
    path TEXT PRIMARY KEY, origin TEXT NOT NULL, key TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS known_run (fingerprint TEXT PRIMARY KEY, told BLOB NOT NULL) WITHOUT ROWID;
"""

_DAMAGED = (
    "put back a copy of it, if you have one. Otherwise move it away and run again: captions that you edited stay as "
    "they are, but what you set aside, cropped or moved to another concept has to be done again"
)
_UNUSABLE = (
    "see that its disk is there, works and has room, then run again: what is done is kept. "
    "Keep the file: it knows what you edited"
)


class Database:
    """The connection: opens or makes the tables, gathers writes in transactions, turns errors into readable ones.

    `written_to` says whether anything was written since it was opened that a run could notice.
    """

    def __init__(self, path: Path, *, untouched: bool = False) -> None:
        """Raises InputError for a file of a newer version or a read-only one, CurateError for a damaged one.

        `untouched` only reads a file that nobody else has open, and leaves no trace beside it; one of another version
        is refused.
        """
        self.path, self.written_to = path, False
        if untouched:
            self._db = _connected(f"{path.absolute().as_uri()}?immutable=1", path)
            if self.read("PRAGMA user_version") != [(VERSION,)]:
                self._db.close()
                raise InputError(f"{path} was written by another version of curate")
            return
        with disk_errors(str(path.parent)):
            path.parent.mkdir(parents=True, exist_ok=True)
        self._db = _connected(str(path), path)
        try:
            self._prepare()
        except BaseException as error:
            self._db.close()
            if isinstance(error, sqlite3.Error):
                raise readable(path, error) from error
            raise
        self._since = time.monotonic()

    def _prepare(self) -> None:
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")
        version = self._db.execute("PRAGMA user_version").fetchone()[0]
        if version > VERSION:
            raise InputError(
                f"{self.path} was written by a newer curate", "install that version, or use another output folder"
            )
        if version == VERSION:
            return
        with self._db:
            self._db.execute("BEGIN IMMEDIATE")
            for statement in _TABLES.split(";"):
                self._db.execute(statement)
            if version == 1:
                _migrate_1(self._db)
            if 1 <= version <= 2:
                _migrate_2(self._db)
            if 1 <= version <= 3:
                # a run of an older version that was killed may have taken away any of them
                self._db.execute("INSERT INTO removing SELECT path FROM written WHERE EXISTS (SELECT 1 FROM writing)")
            if 1 <= version <= 5:
                _migrate_5(self._db)
            self._db.execute(f"PRAGMA user_version={VERSION}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Commits and closes."""
        try:
            self.commit()
        finally:
            self._db.close()

    def write(self, sql: str, rows: Iterable[Sequence[Any]], *, changes_runs: bool = True) -> None:
        """Carries out a statement for each row; committed after half a second at the latest, or by `commit`.

        What the ledger knows of the last run as a whole holds no longer then, unless the rows only save work. Without
        a row nothing happens.
        """
        each = iter(rows)
        first = list(itertools.islice(each, 1))
        if not first:
            return
        try:
            if not self._db.in_transaction:
                self._db.execute("BEGIN IMMEDIATE")
                self._since = time.monotonic()
            if changes_runs:
                self._db.execute("DELETE FROM known_run")
                self.written_to = True
            self._db.executemany(sql, itertools.chain(first, each))
        except sqlite3.Error as error:
            raise readable(self.path, error) from error
        except BaseException:
            self._roll_back()  # to what a kill would have left: not some of the rows
            raise
        if time.monotonic() - self._since > 0.5:
            self.commit()

    def _roll_back(self) -> None:
        """Forgets what was written since the last commit."""
        with contextlib.suppress(sqlite3.Error):
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")

    def read(self, sql: str, values: Sequence[Any] = ()) -> list[Any]:
        """All rows of a query."""
        try:
            return self._db.execute(sql, values).fetchall()
        except sqlite3.Error as error:
            raise readable(self.path, error) from error

    def iterate(self, sql: str, values: Sequence[Any] = ()) -> Iterator[Any]:
        """The rows of a query one by one, for many: nothing may be written until the last one is read."""
        try:
            yield from self._db.execute(sql, values)
        except sqlite3.Error as error:
            raise readable(self.path, error) from error

    def read_among(self, sql: str, keys: Sequence[str], values: Sequence[Any] = ()) -> Iterator[Any]:
        """Rows of a query that ends in `IN` for each of many keys; `values` fill the places before it.

        No row has a key that is no Unicode, as the name of a file may be.
        """
        for part in chunks([key for key in keys if _is_unicode(key)]):
            yield from self.read(f"{sql} ({','.join('?' * len(part))})", [*values, *part])

    def known_run(self, fingerprint: str) -> str | None:
        """What a run told that found everything as this fingerprint says, and nothing to do."""
        rows = self.read("SELECT told FROM known_run WHERE fingerprint = ?", [fingerprint])
        return rows[0][0] if rows else None

    def keep_known_run(self, fingerprint: str, values: str) -> None:
        """Keeps, and commits, what a run told; it holds until something is written."""
        self.write("DELETE FROM known_run", [()])
        self.write("INSERT INTO known_run VALUES (?, ?)", [(fingerprint, values)])
        self.commit()

    def flush(self) -> None:
        """Makes everything written so far survive a power cut too: what is committed waits in memory otherwise."""
        self.commit()
        self.read("PRAGMA wal_checkpoint")

    def commit(self) -> None:
        """Makes everything written so far survive a kill."""
        try:
            if self._db.in_transaction:
                self._db.execute("COMMIT")
        except sqlite3.Error as error:
            raise readable(self.path, error) from error


def _connected(place: str, path: Path) -> sqlite3.Connection:
    try:
        return sqlite3.connect(place, uri=place != str(path), isolation_level=None, timeout=30)
    except sqlite3.Error as error:
        raise readable(path, error) from error


def _migrate_1(db: sqlite3.Connection) -> None:
    """Moves what version 1 kept among the results into tables of its own."""
    for key, value in db.execute("SELECT key, value FROM results WHERE key GLOB 'consent:*:*'").fetchall():
        _, reader, origin = key.split(":")
        db.execute("INSERT OR REPLACE INTO consent VALUES (?, ?, ?)", (origin, int(reader), value))
    for (value,) in db.execute("SELECT value FROM results WHERE key = 'publish:masks'").fetchall():
        for path, (source, *digests) in json.loads(value).items():
            row = (path, "mask", source, json.dumps(digests))
            db.execute("INSERT OR REPLACE INTO side_files VALUES (?, ?, ?, ?)", row)
    for key, digests in db.execute("SELECT key, value FROM results WHERE key GLOB 'export:*'").fetchall():
        row = (key.removeprefix("export:"), "export", "", digests)
        db.execute("INSERT OR REPLACE INTO side_files VALUES (?, ?, ?, ?)", row)
    db.execute("DELETE FROM results WHERE key GLOB 'consent:*' OR key = 'publish:masks' OR key GLOB 'export:*'")


def _migrate_2(db: sqlite3.Connection) -> None:
    """Moves digests of files into the table that holds those of several algorithms."""
    db.execute("INSERT OR IGNORE INTO file_digests SELECT path, 'blake2b', size, mtime, digest FROM files")
    db.execute("DROP TABLE files")


def _migrate_5(db: sqlite3.Connection) -> None:
    """Lets a ledger without a list of its source pictures know them by their digests, under no name.

    What an older version set aside is in no other list.
    """
    if not db.execute("SELECT 1 FROM sources LIMIT 1").fetchone():
        db.execute("INSERT OR IGNORE INTO sources SELECT origin, '' FROM consent")
        db.execute("INSERT OR IGNORE INTO sources SELECT digest, '' FROM file_digests WHERE algorithm = 'blake2b'")


def _is_unicode(key: str) -> bool:
    try:
        key.encode()
    except UnicodeEncodeError:
        return False
    return True


def chunks(keys: Sequence[T], size: int = 500) -> Iterator[Sequence[T]]:
    """The keys in pieces that one statement may take."""
    for start in range(0, len(keys), size):
        yield keys[start : start + size]


def readable(path: Path, error: sqlite3.Error) -> CurateError:
    """The error of ours for one of SQLite's, told apart by its result code."""
    # errors of Python's module itself, such as a closed connection, have no code
    code: int = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
    if code == sqlite3.SQLITE_FULL or (code == sqlite3.SQLITE_IOERR and not has_room(path)):
        return full_disk(str(path))
    match code:
        case sqlite3.SQLITE_READONLY | sqlite3.SQLITE_CANTOPEN | sqlite3.SQLITE_PERM | sqlite3.SQLITE_AUTH:
            return InputError(f"cannot write the ledger {path}: {error}", "choose an output folder you may write to")
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return LockedError(f"another program holds the ledger {path}", "wait for it, or close it, then run again")
        case sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_NOTADB:
            return CurateError(f"the ledger {path} is damaged: {error}", _DAMAGED)
        case _:
            return CurateError(f"the ledger {path} cannot be used: {error}", _UNUSABLE)
