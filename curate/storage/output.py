"""Output: a dataset in a store, with the folder on this disk in which it is prepared.

Before a run the folder takes over what others changed in the store; after it the store gets what changed in the folder.
The ledger stays a file on this disk; a copy of it is uploaded last, with which another machine goes on.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import sqlite3
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from curate.core.database import readable
from curate.core.events import Listener, Note
from curate.core.files import digest_file, write_text
from curate.core.lock import run_lock
from curate.core.store import LEDGER, Store
from curate.errors import InputError
from curate.storage.address import Location, open_location, protocol_of
from curate.storage.download import take_over
from curate.storage.errors import in_words, storage_error
from curate.storage.lease import Lease
from curate.storage.listing import StoredObject, digest_of, list_objects, version_of
from curate.storage.puts import put_file
from curate.storage.transfer import fetch_object
from curate.storage.upload import bring_up_to_date
from curate.storage.uploads import Uploads
from curate.storage.waiting import answer

T = TypeVar("T")

_ABOUT = f"{LEDGER}/about.txt"
_COPY = f"{LEDGER}/ledger.sqlite"
_STATE = f"{LEDGER}/copy.json"
_TEXT = (
    "The folder above was prepared by curate. ledger.sqlite is a copy of what curate knows of it: with it, a run on\n"
    "another machine goes on, and knows which captions you edited. Change captions and pictures as you like.\n"
)


@dataclass(frozen=True, slots=True)
class Output:
    """The address of an output and its folder on this disk."""

    address: str
    folder: Path

    @contextlib.contextmanager
    def held(self, tell: Listener) -> Generator[None]:
        """Keeps other machines from the output. Raises LockedError where one is at work on it."""
        tell(Note("info", f"opening {self.address}"))
        if protocol_of(self.address) == "memory":
            gone = "is in the memory of this process, and gone when it ends"
            tell(Note("warning", f"{self.address} {gone}; the prepared folder stays in {self.folder}"))
        with contextlib.ExitStack() as stack:
            with run_lock(self.folder):
                stack.enter_context(Lease(self._opened(), self.folder).held(tell))
            yield

    def begin(self, tell: Listener, *, writes: bool = True) -> None:
        """Gets the copy of the ledger where this machine has none; else begins a new output, if the run `writes`.

        Raises CurateError where the store does not answer or may not be written to, InputError where another machine
        went on with the output.
        """
        with run_lock(self.folder):
            location, copied = self._copy(tell)
            if (self.folder / LEDGER / "ledger.sqlite").exists():
                self._check_same(location, copied)
                return
            try:
                if copied is not None:
                    self._restoring.touch()
                    self._keep_state(copied.version)
                    _ask(location, lambda: fetch_object(location, copied, self.folder / _COPY, time.time_ns()), tell)
                elif writes:  # a store that refuses does so before the work is done
                    _ask(location, lambda: location.file_system.pipe_file(location.path(_ABOUT), _TEXT.encode()), tell)
                else:
                    _ask(location, location.require_bucket, tell)
            except Exception as error:
                raise storage_error(self.address, in_words(location, error)) from error

    def take_over(self, store: Store, tell: Listener, stopping: Callable[[], bool]) -> str:
        """Changes in the folder what others changed in the store; a digest of what is there.

        Raises CurateError where the store does not answer.
        """
        location = self._opened()
        scratch = self.folder / LEDGER / "incoming"
        shutil.rmtree(scratch, ignore_errors=True)
        objects, restore = _objects(location, tell, stopping), self._restoring.exists()
        if take_over(location, objects, self.folder, Uploads(store), scratch, tell, stopping, restore=restore):
            self._unsaved.touch()
        shutil.rmtree(scratch, ignore_errors=True)
        self._restoring.unlink(missing_ok=True)
        return digest_of(objects.values())

    def upload(self, store: Store, tell: Listener, stopping: Callable[[], bool]) -> None:
        """Changes in the store what changed in the folder. Raises CurateError where the store refuses."""
        location = self._opened()
        if bring_up_to_date(location, lambda: _objects(location, tell, stopping), self.folder, store, tell, stopping):
            self._unsaved.touch()

    def finish(self, tell: Listener, *, changed: bool) -> None:
        """Uploads the report and a copy of the ledger, if the run `changed` anything."""
        if not changed and not self._unsaved.exists():
            return
        self._unsaved.touch()
        with run_lock(self.folder):
            location, copied = self._copy(tell)
            self._check_same(location, copied)
            with Store(self.folder) as store:
                bring_up_to_date(location, dict, self.folder, store, tell, lambda: False, report=True)
            self._upload_ledger(location, tell)
        self._unsaved.unlink()

    def _upload_ledger(self, location: Location, tell: Listener) -> None:
        copy = self.folder / LEDGER / "ledger.copy"
        copy.unlink(missing_ok=True)
        try:
            with contextlib.closing(sqlite3.connect(self.folder / _COPY)) as ledger:
                ledger.execute("VACUUM INTO ?", [str(copy)])
            self._keep_state(self._state()[0], digest_file(copy))
            self._keep_state(_ask(location, lambda: put_file(location, copy, _COPY), tell))
        except sqlite3.Error as error:
            raise readable(copy, error) from error
        except Exception as error:
            raise storage_error(f"{self.address}/{_COPY}", error) from error
        finally:
            copy.unlink(missing_ok=True)

    def _copy(self, tell: Listener) -> tuple[Location, StoredObject | None]:
        """The copy of the ledger in the store, if there is one."""
        location = self._opened()
        try:
            info = _ask(location, lambda: location.file_system.info(location.path(_COPY)), tell)
            return location, StoredObject(_COPY, int(info["size"]), version_of(info))
        except FileNotFoundError:
            return location, None
        except Exception as error:
            raise storage_error(self.address, in_words(location, error)) from error

    def _check_same(self, location: Location, copied: StoredObject | None) -> None:
        """Raises InputError where the copy of the ledger in the store is another machine's."""
        version, intended = self._state()
        if copied is None or copied.version == version:
            return
        if intended:  # a kill may have come between the upload and its note
            file = self.folder / LEDGER / "ledger.copy"
            fetch_object(location, copied, file, time.time_ns())
            is_ours = digest_file(file) == intended
            file.unlink()
            if is_ours:
                self._keep_state(copied.version)
                return
        raise InputError(
            f"another machine went on with {self.address}, so what this one knows of it, in {self.folder}, is too old",
            "remove that folder, or name a new one with `run: {work: FOLDER}`: the run then goes on from the store",
        )

    def _state(self) -> tuple[str, str]:
        """The version of the copy that this machine uploaded or got, and the digest of one that it was to upload."""
        try:
            version, intended = json.loads((self.folder / _STATE).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return "", ""
        return str(version), str(intended)

    def _keep_state(self, version: str, intended: str = "") -> None:
        write_text(self.folder / _STATE, json.dumps([version, intended]))

    @property
    def _restoring(self) -> Path:
        """There while the folder is new on this machine, and not complete yet."""
        return self.folder / LEDGER / "restoring"

    @property
    def _unsaved(self) -> Path:
        """There while the copy of the ledger in the store is older than the ledger."""
        return self.folder / LEDGER / "unsaved"

    def _opened(self) -> Location:
        try:
            return open_location(self.address)
        except Exception as error:
            raise storage_error(self.address, error) from error


def _ask(location: Location, ask: Callable[[], T], tell: Listener) -> T:
    """An answer of the store, before or after what a run does: Ctrl-C needs no help there."""
    return answer(location, ask, tell, lambda: False)


def _objects(location: Location, tell: Listener, stopping: Callable[[], bool]) -> dict[str, StoredObject]:
    """The objects below an address by name; none where nothing is there yet."""
    try:
        return {one.name: one for one in list_objects(location, tell, stopping) if one.name}
    except InputError as error:
        if isinstance(error.__cause__, FileNotFoundError):
            return {}
        raise
