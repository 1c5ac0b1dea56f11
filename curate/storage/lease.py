"""Lease: one machine at a time works on an output in a store; a second one is told at its start who does.

An object beside the copy of the ledger names the holder. It is made only if it is not there, where the store can do
that, and is written again every minute. What nobody wrote for five minutes is left over from a killed run.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import secrets
import threading
import time
from collections.abc import Generator
from datetime import datetime
from pathlib import Path
from typing import Any

from curate.core.events import Listener
from curate.core.store import LEDGER
from curate.errors import LockedError
from curate.storage.address import Location
from curate.storage.errors import in_words, storage_error
from curate.storage.transfer import PATIENCE
from curate.storage.waiting import answer

NAME = f"{LEDGER}/running.json"
_RENEWAL, _END = 60, 300
"""Seconds after which the holder writes it again, and after which it is nobody's."""


class Lease:
    """The right to change what is below an address."""

    def __init__(self, location: Location, folder: Path) -> None:
        self._location, self._path = location, location.path(NAME)
        self._facts = {
            "host": platform.node(),
            "folder": str(folder.absolute()),
            "pid": os.getpid(),
            "since": time.strftime("%Y-%m-%d %H:%M:%S"),
            "token": secrets.token_hex(8),
        }

    @contextlib.contextmanager
    def held(self, tell: Listener) -> Generator[None]:
        """Holds it until the block ends. Raises LockedError where another machine does, and what a store refuses.

        `tell` hears of a store that is silent.
        """
        try:
            answer(self._location, self._take, tell, lambda: False)
        except LockedError:
            raise
        except Exception as error:
            raise storage_error(self._location.address, in_words(self._location, error)) from error
        ended = threading.Event()
        renewing = threading.Thread(target=self._renew, args=(ended,), daemon=True)
        renewing.start()
        try:
            yield
        finally:
            ended.set()
            renewing.join(PATIENCE)  # a store that does not answer must not keep the command alive

    def _take(self) -> None:
        data = json.dumps(self._facts).encode()
        if (found := self._read()) is not None:
            self._check_left(found)
            self._location.file_system.pipe_file(self._path, data)
            return
        try:
            self._location.file_system.pipe_file(self._path, data, mode="create")
        except Exception:
            if (found := self._read()) is not None:
                self._check_left(found)
            self._location.file_system.pipe_file(self._path, data)  # such a condition is not known to every store

    def _renew(self, ended: threading.Event) -> None:
        """Writes it again until the end, or until it is another's: this machine may have slept. Then it is removed."""
        while not ended.wait(_RENEWAL):
            with contextlib.suppress(Exception):  # the next minute may be better
                if not self._is_mine(self._read()):
                    return
                self._location.file_system.pipe_file(self._path, json.dumps(self._facts).encode())
        with contextlib.suppress(Exception):  # what stays is nobody's in a few minutes
            if self._is_mine(self._read()):
                self._location.file_system.rm_file(self._path)

    def _read(self) -> dict[str, Any] | None:
        """What the object says; None where there is none."""
        try:
            found = json.loads(self._location.file_system.cat_file(self._path))
        except FileNotFoundError:
            return None
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}

    def _is_mine(self, found: dict[str, Any] | None) -> bool:
        return found is not None and found.get("token") == self._facts["token"]

    def _check_left(self, found: dict[str, Any]) -> None:
        """Raises LockedError unless the object is left over: from this folder, which is locked apart, or for long."""
        if (found.get("host"), found.get("folder")) == (self._facts["host"], self._facts["folder"]):
            return
        age = self._age()
        if age is not None and age > _END:
            return
        who = f"process {found.get('pid')} on {found.get('host')}, since {found.get('since')}"
        raise LockedError(
            f"another machine works on {self._location.address}: {who}",
            f"wait for it. If it was killed, run again in {_END // 60} minutes, or remove "
            f"{self._location.address}/{NAME}",
        )

    def _age(self) -> float | None:
        """Seconds since the object was written; None where the store does not say."""
        info = self._location.file_system.info(self._path)
        written = next(
            (info[name] for name in ("LastModified", "last_modified", "mtime", "created") if name in info), None
        )
        if isinstance(written, str):
            written = datetime.fromisoformat(written)
        if isinstance(written, datetime):
            return time.time() - written.timestamp()
        return time.time() - written if isinstance(written, int | float) else None
