"""Lock: one run at a time on an output folder; a second one says who holds it."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import sys
import time
from collections.abc import Generator
from pathlib import Path

import psutil
from filelock import FileLock, Timeout

from curate.core.disk_errors import disk_errors
from curate.core.store import LEDGER
from curate.errors import LockedError

_TIME = "%Y-%m-%d %H:%M:%S"


@contextlib.contextmanager
def run_lock(folder: Path) -> Generator[None]:
    """Holds the folder for this process; the operating system frees it when the process ends, however it ends.

    Raises LockedError naming process, host, start and command of the holder.
    """
    root = folder / LEDGER
    holder = root / "lock.json"
    with disk_errors(str(root)):
        root.mkdir(parents=True, exist_ok=True)
        lock = FileLock(root / "lock", timeout=0)
        try:
            lock.acquire()
        except Timeout as error:
            raise _locked(folder, holder) from error
    try:
        facts = {
            "pid": os.getpid(),
            "host": platform.node(),
            "since": time.strftime(_TIME),
            "command": " ".join(sys.argv),
        }
        with contextlib.suppress(OSError):
            holder.write_text(json.dumps(facts), encoding="utf-8")
        yield
    finally:
        with contextlib.suppress(OSError):
            holder.unlink(missing_ok=True)
        lock.release()


def check_unlocked(folder: Path) -> None:
    """Raises LockedError where a run of this machine works on the folder; leaves no trace there, unlike the lock."""
    holder = folder / LEDGER / "lock.json"
    try:
        facts = json.loads(holder.read_text(encoding="utf-8"))
        since = time.mktime(time.strptime(facts["since"], _TIME))
        # a killed run leaves the file behind, and its number may have gone to a younger process
        is_running = facts["host"] == platform.node() and psutil.Process(facts["pid"]).create_time() < since + 1
    except (OSError, ValueError, KeyError, TypeError, psutil.Error):
        return
    if is_running:
        raise _locked(folder, holder)


def _locked(folder: Path, holder: Path) -> LockedError:
    return LockedError(f"another run is working on {folder}{_who(holder)}", "wait for it, or stop it, then run again")


def _who(holder: Path) -> str:
    try:
        facts = json.loads(holder.read_text(encoding="utf-8"))
        return f": process {facts['pid']} on {facts['host']}, since {facts['since']} ({facts['command']})"
    except (OSError, ValueError, KeyError):
        return ""
