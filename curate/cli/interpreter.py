"""Interpreter: what curate needs of the way in which Python was started."""

from __future__ import annotations

import os
import sys

from curate.errors import MissingError

_UTF8 = "PYTHONUTF8"


def restart_in_utf8() -> None:
    """Starts this program again with UTF-8 for file names, where the locale (LC_ALL=C, say) gives another encoding.

    Under another encoding, pictures would get other names in the output than elsewhere, or none.
    """
    if not _reads_utf8() and os.environ.get(_UTF8) != "1":
        os.environ[_UTF8] = "1"
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])


def check() -> None:
    """Raises MissingError where Python was started so that curate cannot work."""
    if sys.flags.optimize >= 2:
        raise MissingError(
            "Python runs without docstrings (-OO or PYTHONOPTIMIZE=2), which curate and its libraries need",
            "unset PYTHONOPTIMIZE, or start Python with -O at most",
        )
    if not _reads_utf8():
        raise MissingError(
            f"Python reads file names as {sys.getfilesystemencoding()} here, and curate needs UTF-8",
            f"set {_UTF8}=1 or LC_ALL=C.UTF-8, and start Python without -E, -I and -X utf8=0",
        )


def _reads_utf8() -> bool:
    return sys.getfilesystemencoding() == "utf-8"
