"""Upload: an output in a store becomes what its folder on this disk is, object by object; others' work stays.

Pictures go before captions, and those before the files that list them; what is not wanted any more goes last. So a
reader never finds a caption without its picture, nor a list of pictures that are not there yet.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from curate import captions
from curate.core.events import Listener, Note, RecordDone, StageFinished, StageStarted
from curate.core.store import LEDGER, Store
from curate.errors import CurateError
from curate.storage.address import Location
from curate.storage.errors import storage_error
from curate.storage.listing import StoredObject
from curate.storage.places import files_below, is_hidden
from curate.storage.puts import copy_object, put_file
from curate.storage.transfer import each
from curate.storage.uploads import Upload, Uploads
from curate.storage.waiting import Silence

STAGE = "upload"
"""The name under which events tell of it."""
_UNIT = "file"
_REPORT = f"{LEDGER}/report"
"""How the paths of the report and of its files begin."""
_LISTS = (".toml", ".jsonl", ".zip", ".tar", ".parquet")


@dataclass(frozen=True, slots=True)
class _Put:
    """A file to be uploaded, and an object that holds the same, if there is one."""

    name: str
    digest: str
    same: StoredObject | None = None


def bring_up_to_date(
    location: Location,
    list_objects: Callable[[], Mapping[str, StoredObject]],
    folder: Path,
    store: Store,
    tell: Listener,
    stopping: Callable[[], bool],
    *,
    report: bool = False,
) -> int:
    """Uploads what is new or changed in the folder and removes what is gone from it; how many objects that were.

    That is the dataset and what was trained on it, or the `report` on them, which is in the ledger folder.
    The store is asked for its objects only if something is to be done: what others changed a moment ago is kept and
    told of. Raises CurateError where the store refuses; a rerun goes on with what is left.
    """
    begun = time.monotonic()
    uploads = Uploads(store)
    known = {name: row for name, row in uploads.known().items() if name.startswith(_REPORT) == report}
    names = [name for name in files_below(folder) if (name.startswith(_REPORT) if report else not is_hidden(name))]
    digests = dict(_digests(folder, names, store))
    store.commit()
    stale = [name for name, digest in digests.items() if _is_stale(known.get(name), digest)]
    gone = [name for name in known if name not in digests]
    if not stale and not gone:
        return 0
    objects = list_objects()
    same = _by_digest(known, objects)
    puts = [
        _Put(name, digests[name], same.get(digests[name])) for name in stale if _is_ours(name, known, objects, tell)
    ]
    gone = [name for name in gone if _is_ours(name, known, objects, tell)]
    if not puts and not gone:
        return 0
    kept = len(digests) - len(puts)
    if not report:
        tell(StageStarted(STAGE, len(puts), kept, unit=_UNIT))
    for rank in range(3):
        some = [one for one in puts if _rank(one.name) == rank]
        for one in _put(location, folder, some, uploads, Silence(location, tell), stopping):
            if not report:
                tell(RecordDone(STAGE, one.name))
    for rank in range(3):
        some = [name for name in gone if _rank(name) == rank]
        _remove(location, some, objects, uploads, Silence(location, tell), stopping)
    if not report:
        tell(StageFinished(STAGE, len(puts), kept, 0, time.monotonic() - begun, _UNIT))
    return len(puts) + len(gone)


def _digests(folder: Path, names: Sequence[str], store: Store) -> Iterator[tuple[str, str]]:
    """The files with what they hold."""
    for name, (path, digest) in zip(names, store.digests([folder / name for name in names]), strict=True):
        if isinstance(digest, OSError):
            raise CurateError(f"cannot read {path}: {digest.strerror}", "run the same command again to resume")
        yield name, digest


def _is_stale(row: Upload | None, digest: str) -> bool:
    return row is None or not row.version or row.digest != digest


def _by_digest(known: Mapping[str, Upload], objects: Mapping[str, StoredObject]) -> dict[str, StoredObject]:
    """The objects that are as we left them, by what they hold: what is only renamed is copied in the store."""
    found = ((row.digest, objects.get(name), row.version) for name, row in known.items() if row.version)
    return {digest: one for digest, one, version in found if one is not None and one.version == version}


def _is_ours(name: str, known: Mapping[str, Upload], objects: Mapping[str, StoredObject], tell: Listener) -> bool:
    """Whether an object may be replaced or removed: it is not there, or as we left it."""
    found, row = objects.get(name), known.get(name)
    if found is None or (row is not None and row.version == found.version):
        return True
    why = "changed in the store during the run" if row is not None else "not curate's"
    tell(Note("warning", f"{name} is kept as it is in the store: {why}", STAGE))
    return False


def _rank(name: str) -> int:
    """What goes first: pictures and anything else, then captions, then lists and archives of them."""
    if name.endswith(_LISTS) and "/" not in name.removeprefix("webdataset/").removeprefix("parquet/"):
        return 2
    return int(name.lower().endswith(captions.EXTENSIONS))


def _put(
    location: Location,
    folder: Path,
    puts: Sequence[_Put],
    uploads: Uploads,
    silence: Silence,
    stopping: Callable[[], bool],
) -> Iterator[_Put]:
    """Uploads files; yields each once the ledger knows of it."""
    versions: dict[str, str] = {}

    def put(one: _Put) -> None:
        version = copy_object(location, one.same, one.name) if one.same else ""
        versions[one.name] = version or put_file(location, folder / one.name, one.name, silence)

    def intended() -> Iterator[_Put]:
        for one in puts:
            uploads.intend(one.name, one.digest)
            yield one

    for one, error in each(intended(), put, stopping, silence):
        if error is not None:
            raise _unfinished(location, one.name, error, folder) from error
        uploads.keep([(one.name, versions.pop(one.name), one.digest)])
        yield one


def _remove(
    location: Location,
    names: Sequence[str],
    objects: Mapping[str, StoredObject],
    uploads: Uploads,
    silence: Silence,
    stopping: Callable[[], bool],
) -> None:
    """Removes objects of ours."""

    def remove(name: str) -> None:
        if name in objects:
            location.file_system.rm_file(location.path(name))

    for name, error in each(names, remove, stopping, silence):
        if error is not None and not isinstance(error, FileNotFoundError):
            raise storage_error(f"{location.address}/{name}", error) from error
        uploads.forget([name])


def _unfinished(location: Location, name: str, error: Exception, folder: Path) -> CurateError:
    known = storage_error(f"{location.address}/{name}", error)
    message = f"{known.message}\n  nothing is lost: the dataset is complete in {folder}"
    return type(known)(message, known.remedy)
