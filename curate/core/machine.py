"""Machine: how much memory this process may use, and whether it may ask a model hub."""

from __future__ import annotations

import os
from pathlib import Path

CGROUP_LIMIT = Path("/sys/fs/cgroup/memory.max")
"""Where a container's limit stands, in bytes or `max`."""
_ON = frozenset(("1", "on", "yes", "true"))


def memory_bytes() -> int:
    """Bytes of memory that the machine has, or that a container leaves of it."""
    import psutil

    installed = int(psutil.virtual_memory().total)
    try:
        limit = CGROUP_LIMIT.read_text(encoding="ascii").strip()
    except OSError:
        return installed
    return min(installed, int(limit)) if limit.isdigit() and int(limit) > 0 else installed


def hub_is_offline() -> bool:
    """Whether the environment forbids downloads, by the variables that the Hugging Face libraries read."""
    return any(os.environ.get(name, "").casefold() in _ON for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"))
