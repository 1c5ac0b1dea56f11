"""Undo: takes back what in-place commands did to a folder, by request or because the last one was killed."""

from __future__ import annotations

from pathlib import Path

from curate import folder
from curate.core.events import Listener, Note
from curate.core.lock import run_lock
from curate.core.store import LEDGER, Store, ledger_place
from curate.errors import InputError


def undo(target: Path) -> tuple[str, int]:
    """Takes back the last in-place command on a folder; returns its command line and the number of changes taken back.

    Raises InputError where there is none, or where a file was changed since.
    """
    if not target.is_dir():
        raise InputError(f"folder {target} does not exist")
    place = ledger_place(target)
    if not (place / LEDGER / "ledger.sqlite").is_file():
        raise InputError(f"{target} was not changed by curate: there is nothing to undo")
    with run_lock(place), Store(place) as store:
        return folder.undo(target, store)


def undo_unfinished(target: Path, store: Store, tell: Listener) -> None:
    """Takes back an in-place command that was killed, before another one begins.

    Raises InputError where a file was changed since.
    """
    if folder.unfinished(store.root):
        what, _ = folder.undo(target, store)
        tell(Note("warning", f"`curate {what}` was killed in the middle here: its changes are undone first"))
