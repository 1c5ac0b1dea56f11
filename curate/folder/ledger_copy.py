"""Ledger copy: what is known of a folder, in another place, for who only looks."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Generator
from pathlib import Path

from curate.core.database import Database
from curate.core.store import LEDGER
from curate.errors import CurateError
from curate.folder.bulk_edits import BULK_EDITS


def copy_ledger(source: Path, scratch: Path) -> bool:
    """Copies the ledger of a folder to `scratch`, since opening one may write to it; whether there is one."""
    if not (source / LEDGER / "ledger.sqlite").is_file():
        return False
    (scratch / LEDGER).mkdir()
    for file in (source / LEDGER).iterdir():
        if file.name == BULK_EDITS or (file.name.startswith("ledger.sqlite") and file.suffix != ".sqlite-shm"):
            shutil.copyfile(file, scratch / LEDGER / file.name)
    return True


@contextlib.contextmanager
def untouched_ledger(source: Path) -> Generator[Database | None]:
    """The ledger of a folder where it lies, to read what is on disk; for a large one, which takes long to copy.

    None where there is none, where a command has it open or was killed, and where it is of another version.
    """
    file = source / LEDGER / "ledger.sqlite"
    if not file.is_file() or file.with_name(f"{file.name}-wal").exists():
        yield None
        return
    try:
        ledger = Database(file, untouched=True)
    except CurateError:
        yield None
        return
    with contextlib.closing(ledger):
        yield ledger
