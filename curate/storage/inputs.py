"""Inputs: folders on this disk for what a pipeline names as its input: folders, stores and archives."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from curate.core.digests import text_digest
from curate.core.events import Listener, Note
from curate.core.store import LEDGER
from curate.errors import InputError
from curate.names import safe
from curate.storage.address import Location, last_part, open_location
from curate.storage.archives import is_archive, local_archives, stored_archives, unpack
from curate.storage.errors import storage_error
from curate.storage.listing import StoredObject, digest_of, list_objects
from curate.storage.mirror import mirror
from curate.storage.places import Unread, is_wanted
from curate.storage.sources import StoredSources

COPIES = "input"
"""The folder of copies, in the ledger folder."""


@dataclass(frozen=True, slots=True)
class StoredInput:
    """An input in a store, and the objects that are there: 0.2 kB each."""

    location: Location
    objects: tuple[StoredObject, ...]

    @property
    def digest(self) -> str:
        """A digest of names and versions of the objects."""
        return digest_of(self.objects)


@dataclass(frozen=True, slots=True)
class Fetched:
    """The folders of the inputs on this disk, in order, what of them could not be read, and where copies come from."""

    folders: tuple[Path, ...]
    unread: tuple[Unread, ...] = ()
    sources: StoredSources | None = None


def list_inputs(inputs: Sequence[Path | str], tell: Listener, stopping: Callable[[], bool]) -> list[Path | StoredInput]:
    """The inputs, with what is in those that are addresses. Raises CurateError where a store does not answer."""
    return [_listed(one, tell, stopping) if isinstance(one, str) else one for one in inputs]


def _listed(address: str, tell: Listener, stopping: Callable[[], bool]) -> StoredInput:
    try:
        location = open_location(address)
    except Exception as error:
        raise storage_error(address, error) from error
    tell(Note("info", f"listing {address}"))
    return StoredInput(location, tuple(list_objects(location, tell, stopping)))


def fetch(inputs: Sequence[Path | StoredInput], output: Path, tell: Listener, stopping: Callable[[], bool]) -> Fetched:
    """Copies what is in stores and unpacks what is in archives, in the ledger folder of `output`.

    What did not change since the last run is left alone. Raises CurateError where a store does not answer.
    """
    folders: list[Path] = []
    unread: list[Unread] = []
    for one in inputs:
        if isinstance(one, StoredInput):
            folder, problems = _stored(one, output, tell, stopping)
        elif archives := local_archives(one):
            folder, notes = _places(str(one.resolve()), _stem(one.resolve().name), output)
            problems = unpack(archives, folder, notes, str(one), tell, stopping)
        else:
            folder, problems = one, []
        folders.append(folder)
        unread.extend(problems)
    pairs = zip(folders, inputs, strict=True)
    stored = tuple((folder, one.location.address) for folder, one in pairs if isinstance(one, StoredInput))
    return Fetched(tuple(folders), tuple(unread), StoredSources(stored) if stored else None)


def _stored(one: StoredInput, output: Path, tell: Listener, stopping: Callable[[], bool]) -> tuple[Path, list[Unread]]:
    """The copy of what is below an address."""
    location, objects, address = one.location, one.objects, one.location.address
    folder, notes = _places(address, _stem(last_part(address)), output)
    if archives := stored_archives(location, objects, tell, stopping):
        return folder, unpack(archives, folder, notes, address, tell, stopping)
    if [one.name for one in objects] == [""]:
        raise InputError(f"{address} is one object, and no archive", "give the folder that it is in")
    if not any(is_wanted(one.name) for one in objects):
        raise InputError(f"no pictures in {address}", "put pictures there, one sub-folder for each concept")
    if ignored := [one.name for one in objects if is_archive(one.name)]:
        what = f"{ignored[0]} and other archives" if len(ignored) > 1 else ignored[0]
        tell(Note("warning", f"{what} in {address}: not read, because there are loose pictures beside them"))
    return folder, mirror(location, objects, folder, tell, stopping)


def _places(where: str, name: str, output: Path) -> tuple[Path, Path]:
    """The folder of an input's copy, and that of the notes on its archives. Its name is what loose pictures are of."""
    place = output.absolute() / LEDGER / COPIES / text_digest(where)[:12]
    return place / "pictures" / safe(name), place / "notes"


def _stem(name: str) -> str:
    return os.path.splitext(name)[0] if is_archive(name) else name  # noqa: PTH122
