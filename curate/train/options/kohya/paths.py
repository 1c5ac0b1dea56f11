"""Paths in files that were written on another system."""

from __future__ import annotations

import os
import re
from typing import Any

_WINDOWS = re.compile(r"[A-Za-z]:[\\/]|\\\\[^\\]")


def is_windows(path: Any) -> bool:
    r"""Whether a value is a path as Windows writes it: `C:\loras`, `D:/loras`, `\\server\loras`."""
    return isinstance(path, str) and _WINDOWS.match(path.strip().strip("\"'")) is not None


def is_foreign(path: Any, system: str = os.name) -> bool:
    """Whether a value is a path of Windows, and this system is another one: there is no such file here."""
    return system != "nt" and is_windows(path)
