"""Written tables: what curate wrote to a prepared folder, and what it is about to, as the ledger keeps it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from curate.core import json_text
from curate.core.user_changes import PersonTables

_WITHOUT_RECORD = "path, key, origin, digest, size, mtime, caption_path, caption, ''"


@dataclass(frozen=True, slots=True)
class Written:
    """One picture that was written to the folder, with the caption that was generated beside it.

    Paths are relative to the folder, in POSIX form. `digest`, `size` and `mtime` (ns) are the picture file's as
    written. `caption` is the text last generated, "" with an empty `caption_path` where none was written. `stored` is
    the record's plain form as JSON (see `as_json`), so that a later command goes on from it.
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


@dataclass(frozen=True, slots=True)
class SideFile:
    """A file that we wrote beside the pictures: what it was made of, and digests of what it may hold and still be ours.

    There are two digests from before a write until after it, so that whichever a kill leaves is known to be ours.
    """

    source: str
    digests: tuple[str, ...]


class WrittenTables(PersonTables):
    """Pictures and their captions, further files of ours, and what a run intends before it moves a file."""

    def written(self, *, records: bool = True) -> dict[str, Written]:
        """Everything the folder holds of ours, by picture path; without `records`, `stored` is empty."""
        return {row.path: row for row in self.each_written(records=records)}

    def each_written(self, *, records: bool = True) -> Iterator[Written]:
        """`written`, one by one in order of path, since a million records need gigabytes."""
        columns = "*" if records else _WITHOUT_RECORD
        return (Written(*row) for row in self.iterate(f"SELECT {columns} FROM written ORDER BY path"))

    def last_written(self) -> list[Written]:
        """The last picture of each top folder, by path, with its record: what all of a folder have, it has."""
        last = "SELECT max(path) FROM written GROUP BY substr(path, 1, instr(path, '/'))"
        return [Written(*row) for row in self.read(f"SELECT * FROM written WHERE path IN ({last}) ORDER BY path")]

    def written_paths(self) -> Iterator[str]:
        """The paths of all pictures of ours in the folder, in order."""
        return (path for (path,) in self.iterate("SELECT path FROM written ORDER BY path"))

    def count_written(self) -> int:
        """How many pictures of ours the folder holds."""
        return int(self.read("SELECT count(*) FROM written")[0][0])

    def with_records(self, rows: Iterable[Written]) -> dict[str, Written]:
        """The rows as the ledger has them, with their records, by path."""
        return self.written_at([row.path for row in rows])

    def written_at(self, paths: Sequence[str], *, records: bool = True) -> dict[str, Written]:
        """What the folder holds of ours at some of its paths; without `records`, `stored` is empty."""
        columns = "*" if records else _WITHOUT_RECORD
        return {row[0]: Written(*row) for row in self.read_among(f"SELECT {columns} FROM written WHERE path IN", paths)}

    def wrote(self, rows: Iterable[Written]) -> None:
        """Notes pictures as written."""
        self.write("INSERT OR REPLACE INTO written VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", map(_row, rows))

    def intend(self, rows: Iterable[Written], removing: Iterable[str]) -> None:
        """Notes, and puts on the disk, what is about to be written and which files are about to be taken away.

        After a kill or a power cut a file that matches is known to be ours, and one that is gone was not removed by a
        person. What an earlier run intended is forgotten: `folder.read_changes` has settled by now what was done of it.
        """
        self.write("DELETE FROM writing", [()])
        self.write("DELETE FROM removing", [()])
        self.write("INSERT INTO writing VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", map(_row, rows))
        self.write("INSERT INTO removing VALUES (?)", [(path,) for path in removing])
        self.flush()

    @property
    def is_interrupted(self) -> bool:
        """Whether a run was killed before all was as it intended."""
        return bool(self.read("SELECT 1 FROM writing UNION ALL SELECT 1 FROM removing LIMIT 1"))

    def intended(self, *, records: bool = True) -> Iterator[Written]:
        """What a run that was killed was about to write, one by one; nothing after a whole one.

        Without `records`, `stored` is empty. Something may be written meanwhile.
        """
        columns, last = "*" if records else _WITHOUT_RECORD, 0
        sql = f"SELECT rowid, {columns} FROM writing WHERE rowid > ? ORDER BY rowid LIMIT 500"
        while part := self.read(sql, [last]):
            last = part[-1][0]
            yield from (Written(*row[1:]) for row in part)

    def removing(self) -> set[str]:
        """Paths of files that a person did not remove if they are not there: a run was killed before it was done.

        Pictures and unplaced captions that it was about to take away, and unplaced captions that it was about to write.
        """
        return {path for (path,) in self.read("SELECT path FROM removing")}

    def settle(self) -> None:
        """Forgets the intentions and past edits: everything is as `written` says."""
        self.forget_past_edits()
        self.write("DELETE FROM writing", [()])
        self.write("DELETE FROM removing", [()])
        self.commit()

    def forget_written(self, paths: Iterable[str]) -> None:
        """Drops rows of pictures that are no longer in the folder."""
        self.write("DELETE FROM written WHERE path = ?", [(p,) for p in paths])

    def side_files(self, kind: Literal["mask", "export"]) -> dict[str, SideFile]:
        """The files of a kind that we wrote beside the pictures, by path."""
        rows = self.read("SELECT path, source, digests FROM side_files WHERE kind = ?", [kind])
        return {path: SideFile(source, tuple(json.loads(digests))) for path, source, digests in rows}

    def keep_side_files(self, kind: Literal["mask", "export"], files: Mapping[str, SideFile]) -> None:
        """Notes, and commits, files that we wrote or are about to write."""
        rows = [(path, kind, one.source, json_text.compact(one.digests)) for path, one in files.items()]
        self.write("INSERT OR REPLACE INTO side_files VALUES (?, ?, ?, ?)", rows)
        self.commit()

    def forget_side_files(self, paths: Iterable[str]) -> None:
        """Drops files that are no longer ours."""
        self.write("DELETE FROM side_files WHERE path = ?", [(path,) for path in paths])


def _row(w: Written) -> tuple[Any, ...]:
    return (w.path, w.key, w.origin, w.digest, w.size, w.mtime, w.caption_path, w.caption, w.stored)
