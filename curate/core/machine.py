"""Machine: how much memory this process may use."""

from __future__ import annotations

from pathlib import Path

CGROUP_LIMIT = Path("/sys/fs/cgroup/memory.max")
"""Where a container's limit stands, in bytes or `max`."""


def memory_bytes() -> int:
    """Bytes of memory that the machine has, or that a container leaves of it."""
    import psutil

    installed = int(psutil.virtual_memory().total)
    try:
        limit = CGROUP_LIMIT.read_text(encoding="ascii").strip()
    except OSError:
        return installed
    return min(installed, int(limit)) if limit.isdigit() and int(limit) > 0 else installed
