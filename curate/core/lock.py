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

from filelock import FileLock, Timeout

from curate.core.files import disk_errors
from curate.core.store import LEDGER
from curate.errors import LockedError


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
            raise LockedError(
                f"another run is working on {folder}{_who(holder)}", "wait for it, or stop it, then run again"
            ) from error
    try:
        facts = {
            "pid": os.getpid(),
            "host": platform.node(),
            "since": time.strftime("%Y-%m-%d %H:%M:%S"),
            "command": " ".join(sys.argv),
        }
        with contextlib.suppress(OSError):
            holder.write_text(json.dumps(facts), encoding="utf-8")
        yield
    finally:
        with contextlib.suppress(OSError):
            holder.unlink(missing_ok=True)
        lock.release()


def _who(holder: Path) -> str:
    try:
        facts = json.loads(holder.read_text(encoding="utf-8"))
        return f": process {facts['pid']} on {facts['host']}, since {facts['since']} ({facts['command']})"
    except (OSError, ValueError, KeyError):
        return ""
