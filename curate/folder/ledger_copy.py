"""Ledger copy: what is known of a folder, in another place, for who only looks."""

from __future__ import annotations

import shutil
from pathlib import Path

from curate.core.store import LEDGER
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
