"""Mirror: a copy on this disk of the pictures that a store has below an address. What did not change stays as it is.

A file's time says which version of its object it is, so that no list has to be kept: the copy may be removed at any
time, and a killed run leaves whole files alone.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from curate.core.events import Listener, Note, RecordDone, StageFinished, StageRecalled, StageStarted
from curate.core.files import remove_leftovers
from curate.storage.address import Location
from curate.storage.errors import concerns_object, reason_of, storage_error
from curate.storage.listing import StoredObject, list_objects
from curate.storage.places import Unread, ignores_case, is_picture, is_wanted, refusal, remove_others, require_room
from curate.storage.transfer import each, fetch_object
from curate.storage.waiting import Silence

STAGE = "download"
"""The name under which events tell of it."""
_IN_A_ROW = 8
"""So many objects that fail one after another mean that the store has a fault, not they."""
_ONE_IN = 100
"""As does more than one in so many."""


@dataclass(frozen=True, slots=True)
class _Copy:
    """An object and its file."""

    found: StoredObject
    file: Path


def mirror(
    location: Location, objects: Sequence[StoredObject], root: Path, tell: Listener, stopping: Callable[[], bool]
) -> list[Unread]:
    """Brings the folder `root` in line with the objects; returns those that could not be read.

    Raises a CurateError where the store does not answer; what was copied until then stays.
    """
    begun = time.monotonic()
    copies, unread = _copies(objects, root)
    todo = [one for one in copies if not _is_current(one)]
    require_room(root, sum(one.found.size for one in todo), location.address)
    remove_others(root, {one.found.name for one in copies})
    for place in {one.file.parent for one in todo}:
        place.mkdir(parents=True, exist_ok=True)
        remove_leftovers(place)
    known = sum(is_picture(one.found.name) for one in copies) - sum(is_picture(one.found.name) for one in todo)
    if not todo:
        tell(StageRecalled(STAGE, known))
        return unread
    pictures = sum(is_picture(one.found.name) for one in todo)
    tell(StageStarted(STAGE, pictures, known))
    for one, reason in _downloaded(location, todo, tell, stopping):
        if reason:
            one.file.unlink(missing_ok=True)
            unread.append(Unread(root, one.found.name, f"cannot be read: {reason}"))
        if is_picture(one.found.name):
            tell(RecordDone(STAGE, one.found.name))
        elif reason:
            tell(Note("warning", f"{location.address}/{one.found.name} cannot be read: {reason}"))
    tell(StageFinished(STAGE, pictures, known, len(unread), time.monotonic() - begun))
    return unread


def _copies(objects: Sequence[StoredObject], root: Path) -> tuple[list[_Copy], list[Unread]]:
    """The objects that have a place on this disk, and those that have none."""
    copies: list[_Copy] = []
    unread: list[Unread] = []
    folders = {above for one in objects for above in _above(one.name)}
    root.mkdir(parents=True, exist_ok=True)
    taken: set[str] | None = set() if ignores_case(root) else None
    for one in objects:
        if not is_wanted(one.name):
            continue
        reason = refusal(one.name)
        if not reason and one.name in folders:
            reason = "other objects use its name as a folder"
        if not reason and taken is not None:
            reason = "its name differs from another only by case, which this disk cannot hold" * (
                one.name.casefold() in taken
            )
            taken.add(one.name.casefold())
        if reason:
            unread.append(Unread(root, one.name, reason))
        else:
            copies.append(_Copy(one, root / one.name))
    return copies, unread


def _above(name: str) -> Iterator[str]:
    """The folders that a name stands in."""
    while "/" in name:
        name = name.rpartition("/")[0]
        yield name


def _stamp(version: str) -> int:
    """The time that the file of a version has, in nanoseconds: before 2002, in steps that all file systems know."""
    return int(version, 16) % 10**9 * 10**9


def _is_current(one: _Copy) -> bool:
    try:
        stat = one.file.stat()
    except (OSError, ValueError):
        return False
    return stat.st_size == one.found.size and stat.st_mtime_ns == _stamp(one.found.version)


def _downloaded(
    location: Location, todo: Sequence[_Copy], tell: Listener, stopping: Callable[[], bool]
) -> Iterator[tuple[_Copy, str]]:
    """Each copy once it is there, or with the reason why it cannot be.

    An object that alone fails is given up; where the store has a fault, the readable error is raised.
    """

    silence = Silence(location, tell)

    def download(one: _Copy) -> None:
        fetch_object(location, one.found, one.file, _stamp(one.found.version), silence)

    faults: list[tuple[_Copy, Exception]] = []
    in_a_row = 0
    for one, error in each(todo, download, stopping, silence):
        in_a_row = 0 if error is None or concerns_object(error) else in_a_row + 1
        if error is None or concerns_object(error):
            yield one, reason_of(error) if error else ""
            continue
        faults.append((one, error))
        if in_a_row >= _IN_A_ROW:
            raise storage_error(location.address, error) from error
    if not faults:
        return
    _, first = faults[0]
    if len(faults) > max(1, len(todo) // _ONE_IN):
        raise storage_error(location.address, first) from first
    _ = next(list_objects(location, tell, stopping), None)  # raises where the store does not answer any more
    yield from ((one, reason_of(error)) for one, error in faults)
