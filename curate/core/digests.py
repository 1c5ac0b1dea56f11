"""Digests of files and texts; a file is read again only where its size or its time of change is another."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Literal

from curate.core.database import Database, chunks
from curate.errors import interruption

Algorithm = Literal["blake2b", "sha256"]
"""blake2b (160 bits) names records and results; sha256 stands in LoRA files and in the ids of training runs."""

_BLOCK = 8 << 20
"""Bytes between two questions whether to stop: some hundredths of a second."""

CLOCK_GRAIN = 2_000_000_000
"""Nanoseconds within which a file may change again without another time: the coarsest clock of a file system, FAT's."""


def text_digest(*parts: str) -> str:
    """sha256 of parts, which may hold anything."""
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


class FileDigests:
    """The one cache of file digests: a table of a folder's ledger, or nothing remembered without one."""

    def __init__(
        self, database: Database | None = None, *, keeps: bool = True, stopping: Callable[[], bool] = lambda: False
    ) -> None:
        """Without `keeps` the table is only read: another process writes it.

        `stopping` is asked while a large file is read, which then ends in Interrupted.
        """
        self._database, self._keeps, self._stopping = database, keeps, stopping

    def of(self, path: Path, algorithm: Algorithm = "sha256") -> str:
        """The digest of one file. Raises OSError."""
        [(_, _, digest)] = self.sized([path], algorithm)
        if isinstance(digest, OSError):
            raise digest
        return digest

    def sized(self, paths: Sequence[Path], algorithm: Algorithm) -> Iterator[tuple[Path, int, str | OSError]]:
        """(path, size in bytes, digest) in order; OSError in the place of the digest where a file cannot be read."""
        for part in chunks(paths):
            names = [_text(p) for p in part]
            known = self._known(names, algorithm)
            for path, name in zip(part, names, strict=True):
                try:
                    stat = path.stat()
                    size, mtime, digest = known.get(name, (None, None, ""))
                    if (size, mtime) != (stat.st_size, stat.st_mtime_ns):
                        digest = _read(path, algorithm, self._stopping)
                        self._keep(name, algorithm, stat.st_size, stat.st_mtime_ns, digest)
                    yield path, stat.st_size, digest
                except OSError as error:
                    yield path, 0, error

    def paths(self) -> list[Path]:
        """The files whose digests are known."""
        if self._database is None:
            return []
        return [Path(path) for (path,) in self._database.read("SELECT DISTINCT path FROM file_digests ORDER BY path")]

    def paths_of(self, digest: str, algorithm: Algorithm) -> list[Path]:
        """The files that had this digest when they were last read."""
        if self._database is None:
            return []
        sql = "SELECT path FROM file_digests WHERE algorithm = ? AND digest = ? ORDER BY path"
        return [Path(path) for (path,) in self._database.read(sql, [algorithm, digest])]

    def index_by_digest(self) -> None:
        """Makes `unchanged_file` quick. For a copy of a ledger: it takes room there."""
        if self._database is not None:
            self._database.read("CREATE INDEX IF NOT EXISTS files_by_digest ON file_digests (algorithm, digest, path)")

    def unchanged_file(self, digest: str, algorithm: Algorithm) -> Path | None:
        """A file that still has the digest; None where all are gone or changed since they were read."""
        if self._database is None:
            return None
        sql = "SELECT path, size, mtime FROM file_digests WHERE algorithm = ? AND digest = ? ORDER BY path DESC"
        rows = self._database.read(sql, [algorithm, digest])
        return next((Path(path) for path, size, mtime in rows if _is_unchanged(Path(path), size, mtime)), None)

    def each_path(self, algorithm: Algorithm) -> Iterator[tuple[str, str]]:
        """The digests that are known, each with its file, in order of the files' names."""
        if self._database is None:
            return iter(())
        sql = "SELECT digest, path FROM file_digests WHERE algorithm = ? ORDER BY path"
        return self._database.iterate(sql, [algorithm])

    def state(self, algorithm: Algorithm) -> tuple[int, float]:
        """What changes when a file is added or another digest is known of one."""
        if self._database is None:
            return 0, 0
        sql = "SELECT count(*), total(mtime % 1000000007) FROM file_digests WHERE algorithm = ?"
        return self._database.read(sql, [algorithm])[0]

    def commit(self) -> None:
        """Lets other processes see what was learned."""
        if self._database is not None:
            self._database.commit()

    def _known(self, names: Sequence[str], algorithm: Algorithm) -> dict[str, tuple[int, int, str]]:
        if self._database is None:
            return {}
        select = "SELECT path, size, mtime, digest FROM file_digests WHERE algorithm = ? AND path IN"
        rows = self._database.read_among(select, names, [algorithm])
        return {path: (size, mtime, digest) for path, size, mtime, digest in rows}

    def _keep(self, name: str, algorithm: Algorithm, size: int, mtime: int, digest: str) -> None:
        # a file changed within the clock's grain of now could change again unseen: do not trust its time
        if self._database is not None and self._keeps and time.time_ns() - mtime > CLOCK_GRAIN:
            row = (name, algorithm, size, mtime, digest)
            sql = "INSERT OR REPLACE INTO file_digests VALUES (?, ?, ?, ?, ?)"
            self._database.write(sql, [row], changes_runs=False)


def _is_unchanged(path: Path, size: int, mtime: int) -> bool:
    try:
        stat = path.stat()
    except OSError:
        return False
    return (stat.st_size, stat.st_mtime_ns) == (size, mtime)


def file_digest(path: Path, digests: FileDigests | None = None) -> str:
    """sha256 of a file's bytes, from the cache where there is one. Raises OSError."""
    return (digests or FileDigests()).of(path)


def legacy_digest(path: Path) -> str:
    """The hash that kohya and older user interfaces call models by: of 64 KiB from 1 MiB on, 8 hexadecimal digits."""
    with path.open("rb") as file:
        file.seek(0x100000)
        return hashlib.sha256(file.read(0x10000)).hexdigest()[:8]


def _read(path: Path, algorithm: Algorithm, stopping: Callable[[], bool]) -> str:
    result = hashlib.blake2b(digest_size=20) if algorithm == "blake2b" else hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            result.update(block)
            if len(block) == _BLOCK and stopping():
                raise interruption()
    return result.hexdigest()


def _text(path: Path) -> str:
    return str(path).encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
