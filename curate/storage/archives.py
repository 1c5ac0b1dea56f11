"""Archives as input: WebDataset shards (.tar) and tables of pictures (.parquet), unpacked to a folder on this disk.

Each archive is read from front to back, one after another, and a picture at a time. A note for each says which files it
became, so that an archive that did not change is not read again.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from curate.core.counting import counted
from curate.core.events import Listener, Note, RecordDone, StageFinished, StageRecalled, StageStarted
from curate.core.files import digest_bytes, write_text
from curate.storage.address import Location
from curate.storage.errors import StoreFault, concerns_object, reason_of, storage_error
from curate.storage.listing import StoredObject
from curate.storage.members import MASK, Damaged, Members
from curate.storage.parquet_table import read_table
from curate.storage.places import Unread, files_below, is_hidden, is_picture, remove_others, require_room
from curate.storage.tar_shard import read_shard
from curate.storage.watched import open_watched

STAGE = "unpack"
"""The name under which events tell of it."""
SUFFIXES = (".tar", ".parquet")
_UNIT = "archive"


@dataclass(frozen=True, slots=True)
class Archive:
    """An archive: its path below the input, what tells one version of it from another, and how it is opened."""

    name: str
    size: int
    version: str
    open: Callable[[], BinaryIO]


def is_archive(name: str) -> bool:
    """Whether a name is that of an archive."""
    return name.lower().endswith(SUFFIXES)


def local_archives(place: Path) -> list[Archive]:
    """The archives of a folder in which there are no loose pictures; of the path of an archive, that one."""
    if place.is_file():
        return [_of_file(place, place.name)] if is_archive(place.name) else []
    if _holds_pictures(place):
        return []
    names = [name for name in files_below(place) if is_archive(name) and not is_hidden(name)]
    return [_of_file(place / name, name) for name in sorted(names)]


def _holds_pictures(place: Path | str) -> bool:
    """Whether there is a loose picture in a folder: of a million, the first one is enough."""
    folders: list[str] = []
    try:
        with os.scandir(place) as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                if entry.is_dir(follow_symlinks=False):
                    folders.append(entry.path)
                elif is_picture(entry.name):
                    return True
    except OSError:
        return False
    return any(map(_holds_pictures, folders))


def _of_file(path: Path, name: str) -> Archive:
    stat = path.stat()
    return Archive(name, stat.st_size, f"{stat.st_size}:{stat.st_mtime_ns}", lambda: path.open("rb"))


def stored_archives(
    location: Location, objects: Sequence[StoredObject], tell: Listener, stopping: Callable[[], bool]
) -> list[Archive]:
    """The archives among the objects below an address, if there are no loose pictures among them."""
    if any(is_picture(one.name) for one in objects):
        return []
    return [
        _of_object(location, one, tell, stopping)
        for one in sorted(objects, key=lambda one: one.name)
        if is_archive(one.name or location.address)
    ]


def _of_object(location: Location, one: StoredObject, tell: Listener, stopping: Callable[[], bool]) -> Archive:
    def opened() -> BinaryIO:
        return open_watched(location, one.name, tell, stopping)

    return Archive(one.name or location.address.rpartition("/")[2], one.size, one.version, opened)


def unpack(
    archives: Sequence[Archive], root: Path, notes: Path, where: str, tell: Listener, stopping: Callable[[], bool]
) -> list[Unread]:
    """Brings the folder `root` in line with the archives of `where`; returns what in them could not be read.

    Notes on them are kept in the folder `notes`. Raises a CurateError where the store does not answer.
    """
    begun = time.monotonic()
    tables = {a.name for a in archives if a.name.lower().endswith(".parquet")}
    shards = {os.path.splitext(a.name)[0] for a in archives if a.name not in tables}  # noqa: PTH122
    # img2dataset writes a table of addresses and captions beside each shard
    archives = [a for a in archives if a.name not in tables or os.path.splitext(a.name)[0] not in shards]  # noqa: PTH122
    known = {archive.name: _known(notes, archive, root) for archive in archives}
    todo = [archive for archive in archives if known[archive.name] is None]
    require_room(root, sum(archive.size for archive in todo), where)
    root.mkdir(parents=True, exist_ok=True)
    if todo:
        tell(StageStarted(STAGE, len(todo), len(archives) - len(todo), unit=_UNIT))
    taken: set[str] = set()
    files: set[str] = set()
    unread: list[Unread] = []
    for archive in archives:
        row = known[archive.name]
        if row is None:
            members = Members(root, archive.name, taken, stopping)
            row = _read(archive, members, where)
            write_text(_note(notes, archive), json.dumps(row))
            tell(RecordDone(STAGE, archive.name))
        taken.update(row["keys"])
        files.update(row["files"])
        unread.extend(Unread(root, name, reason, archive.name) for name, reason in row["unread"])
        for message in row["messages"]:
            tell(Note("warning", message))
    remove_others(root, files)
    if todo:
        tell(StageFinished(STAGE, len(todo), len(archives) - len(todo), 0, time.monotonic() - begun, _UNIT))
    else:
        tell(StageRecalled(STAGE, len(archives), unit=_UNIT))
    return unread


def _note(notes: Path, archive: Archive) -> Path:
    return notes / f"{digest_bytes(archive.name.encode('utf-8', 'surrogateescape'))}.json"


def _known(notes: Path, archive: Archive, root: Path) -> dict[str, Any] | None:
    """The note on an archive, if it is of this version and its files are there."""
    try:
        row = json.loads(_note(notes, archive).read_text(encoding="utf-8"))
        if row["version"] == archive.version and all((root / name).is_file() for name in row["files"]):
            return row
    except (OSError, ValueError, KeyError):
        pass
    return None


def _taken(members: Members) -> str:
    """How many pictures could be read of an archive that is damaged."""
    pictures = sum(is_picture(name) and not name.endswith(MASK) for name in members.files)
    return f", so that only {counted(pictures, 'picture')} of it could be read" if pictures else ""


def _read(archive: Archive, members: Members, where: str) -> dict[str, Any]:
    """Unpacks one archive; what is said of it."""
    messages: list[str] = []
    version = archive.version
    reader = read_table if archive.name.lower().endswith(".parquet") else read_shard
    try:
        with archive.open() as file:
            messages += reader(file, archive.size, members)
    except Damaged as damage:
        messages.append(f"the archive is damaged{_taken(members)}: {damage}")
        whole = f"the archive is damaged: {damage}"
        members.refuse(damage.member or archive.name, "the archive ends within it" if damage.member else whole)
    except (StoreFault, OSError) as error:
        fault = error.error if isinstance(error, StoreFault) else error
        if not concerns_object(fault):
            raise storage_error(f"{where}/{archive.name}", fault) from fault
        messages.append(f"the archive cannot be read{_taken(members)}: {reason_of(fault)}")
        members.refuse(archive.name, f"the archive cannot be read: {reason_of(fault)}")
        version = ""  # the next run tries it again
    return {
        "version": version,
        "files": sorted(members.files),
        "keys": sorted(members.keys),
        "unread": members.unread,
        "messages": [f"{archive.name}: {message}" for message in (*messages, *members.messages())],
    }
