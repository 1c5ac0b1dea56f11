"""Download: what somebody changed in an output in a store since the last run is changed in its folder on this disk.

So the run finds there what it would find in a folder that a person edited, and treats it in the same way.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from curate.core.counting import counted
from curate.core.disk_errors import disk_errors
from curate.core.events import Listener, Note
from curate.core.files import digest_file, prune_empty
from curate.core.store import LEDGER
from curate.storage.address import Location
from curate.storage.errors import Replaced, storage_error
from curate.storage.listing import StoredObject
from curate.storage.places import is_wanted, refusal, require_room
from curate.storage.transfer import each, fetch_object
from curate.storage.uploads import Upload, Uploads
from curate.storage.waiting import Silence


@dataclass(frozen=True, slots=True)
class _Arrival:
    """A changed object and the file that it was copied to."""

    found: StoredObject
    file: Path


def take_over(
    location: Location,
    objects: Mapping[str, StoredObject],
    folder: Path,
    uploads: Uploads,
    scratch: Path,
    tell: Listener,
    stopping: Callable[[], bool],
    *,
    restore: bool,
) -> int:
    """Brings the folder in line with what others did to the objects; how many they are.

    With `restore` the folder is new on this machine: it gets all objects. `scratch` is for copies on their way.
    """
    known = uploads.known()
    changed = [one for one in objects.values() if _is_changed(one, known.get(one.name), folder, restore)]
    require_room(folder, sum(one.size for one in changed), location.address)
    names: list[str] = []
    for arrival in _arrivals(location, changed, scratch, tell, stopping):
        digest, row = digest_file(arrival.file), known.get(arrival.found.name)
        is_ours = row is not None and digest in (row.digest, row.intended) and (folder / arrival.found.name).exists()
        if not is_ours and _place(arrival.file, folder / arrival.found.name, digest):
            names.append(arrival.found.name)
        arrival.file.unlink(missing_ok=True)
        uploads.keep([(arrival.found.name, arrival.found.version, digest)])
    gone = [name for name in known if name not in objects and not name.startswith(f"{LEDGER}/")]
    for name in gone:
        if known[name].version and is_wanted(name) and (folder / name).exists():
            with disk_errors(str(folder / name)):
                (folder / name).unlink()
            prune_empty((folder / name).parent, folder)
            names.append(name)
    uploads.forget(gone)
    if names and not restore:
        tell(Note("info", f"{counted(len(names), 'file')} changed in {location.address} since the last run"))
    return len(names)


def _is_changed(one: StoredObject, row: Upload | None, folder: Path, restore: bool) -> bool:
    """Whether the object is to be copied: a picture or a caption that others wrote, or one of ours they changed."""
    if refusal(one.name) or (row is None and not is_wanted(one.name) and not restore):
        return False
    if row is not None and row.version == one.version:
        return restore and not (folder / one.name).exists()
    return True


def _arrivals(
    location: Location, changed: list[StoredObject], scratch: Path, tell: Listener, stopping: Callable[[], bool]
) -> Iterator[_Arrival]:
    scratch.mkdir(parents=True, exist_ok=True)
    silence = Silence(location, tell)
    work = (_Arrival(one, scratch / str(n)) for n, one in enumerate(changed))

    def copy(arrival: _Arrival) -> None:
        fetch_object(location, arrival.found, arrival.file, time.time_ns(), silence)

    for arrival, error in each(work, copy, stopping, silence):
        if isinstance(error, FileNotFoundError | Replaced):  # a moment ago: the next run will see it
            continue
        if error is not None:
            raise storage_error(f"{location.address}/{arrival.found.name}", error) from error
        yield arrival


def _place(source: Path, target: Path, digest: str) -> bool:
    """Moves a copy to its place; False where that holds the same already."""
    with disk_errors(str(target)):
        if target.is_file() and digest_file(target) == digest:
            return False
        target.parent.mkdir(parents=True, exist_ok=True)
        source.replace(target)
    return True
