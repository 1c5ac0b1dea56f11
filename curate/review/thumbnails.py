"""Thumbnails: small pictures made once, and what was measured while making them, in one file of the ledger folder."""

from __future__ import annotations

import contextlib
import io
import os
import sqlite3
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from curate.core.store import LEDGER
from curate.review.measures import Measures
from curate.review.snapshot import Stamp

SIDE = 320
"""Pixels of a thumbnail's longer side."""
FILE = "review.sqlite"
_VERSION = 1
_TABLE = """CREATE TABLE IF NOT EXISTS thumbnails (
    path TEXT PRIMARY KEY, mtime INTEGER NOT NULL, size INTEGER NOT NULL, width INTEGER NOT NULL,
    height INTEGER NOT NULL, sharpness REAL NOT NULL, picture BLOB NOT NULL)"""


class Thumbnails:
    """WebP pictures of a folder's files. Worker threads make them when they are asked for, each once."""

    def __init__(self, place: Path) -> None:
        """`place` is the folder whose ledger folder keeps them; where it takes no file they live in memory."""
        self._lock = threading.Lock()
        self._db = _opened(place / LEDGER / FILE)
        self._workers = ThreadPoolExecutor(max(1, min(4, os.cpu_count() or 1)), "thumbnail")
        self._told = 0
        self._pending: dict[tuple[str, Stamp], Future[bytes]] = {}

    def close(self) -> None:
        """Stops the workers and closes the file."""
        self._workers.shutdown(cancel_futures=True)
        with self._lock:
            self._db.close()

    def new_measures(self, most: int) -> list[tuple[str, Measures]]:
        """What was learnt of files since the last time that this was asked, of some at once: none is left at the end.

        The files are absolute paths; the stamps say of which state of them.
        """
        sql = """SELECT rowid, path, mtime, size, width, height, sharpness FROM thumbnails
            WHERE rowid > ? ORDER BY rowid LIMIT ?"""
        rows = self._read(sql, self._told, most)
        self._told = rows[-1][0] if rows else self._told
        return [(path, Measures((mtime, size), *rest)) for _, path, mtime, size, *rest in rows]

    def get(self, path: str, stamp: Stamp) -> bytes | None:
        """The thumbnail of a file in that state, None where it is not made yet."""
        rows = self._read("SELECT picture FROM thumbnails WHERE path = ? AND mtime = ? AND size = ?", path, *stamp)
        return rows[0][0] if rows else None

    def make(self, path: str, stamp: Stamp) -> Future[bytes]:
        """Lets a worker make a thumbnail; ends in PictureError where the file is no picture that can be read."""
        with self._lock:
            pending = self._pending.get((path, stamp))
            if pending is None:
                pending = self._pending[path, stamp] = self._workers.submit(self._make, path, stamp)
                pending.add_done_callback(lambda _: self._pending.pop((path, stamp), None))
            return pending

    def _make(self, path: str, stamp: Stamp) -> bytes:
        picture, width, height, sharpness = _reduced(Path(path))
        row = (path, *stamp, width, height, sharpness, picture)
        with self._lock, contextlib.suppress(sqlite3.Error):  # a full disk: the next one who asks makes it again
            self._db.execute("INSERT OR REPLACE INTO thumbnails VALUES (?, ?, ?, ?, ?, ?, ?)", row)
        return picture

    def _read(self, sql: str, *values: Any) -> list[Any]:
        with self._lock:
            try:
                return self._db.execute(sql, values).fetchall()
            except sqlite3.Error:
                return []


def _reduced(path: Path) -> tuple[bytes, int, int, float]:
    """WebP of the picture as it is trained (upright, sRGB, opaque), its width and height, and its sharpness."""
    from PIL import Image

    from curate.images import DecodeOptions, read_picture
    from curate.images.analysis import metrics

    decoded = read_picture(path, DecodeOptions(at_least=2 * SIDE))
    height, width = decoded.pixels.shape[:2]
    if "scaled" in decoded.facts:
        width, height = decoded.facts["width"], decoded.facts["height"]
        if decoded.facts["orientation"] >= 5:
            width, height = height, width
    picture = Image.fromarray(decoded.pixels)
    picture.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    picture.save(buffer, "WEBP", quality=80, method=2)
    return buffer.getvalue(), int(width), int(height), metrics.sharpness(decoded.pixels)


def _opened(path: Path) -> sqlite3.Connection:
    """The file of thumbnails; one that cannot be used is begun anew, and where there can be none it is in memory."""
    for attempt in range(2):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            return _prepared(sqlite3.connect(path, isolation_level=None, timeout=5, check_same_thread=False))
        except sqlite3.OperationalError:
            break
        except sqlite3.DatabaseError:  # damaged
            if attempt == 0:
                for ending in ("", "-wal", "-shm"):
                    with contextlib.suppress(OSError):
                        path.with_name(path.name + ending).unlink(missing_ok=True)
        except OSError:
            break
    return _prepared(sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False))


def _prepared(db: sqlite3.Connection) -> sqlite3.Connection:
    try:
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=OFF")
        if db.execute("PRAGMA user_version").fetchone()[0] != _VERSION:
            db.execute("DROP TABLE IF EXISTS thumbnails")
            db.execute(_TABLE)
            db.execute(f"PRAGMA user_version={_VERSION}")
        db.execute("SELECT path FROM thumbnails LIMIT 1").fetchall()
    except BaseException:
        db.close()
        raise
    return db
