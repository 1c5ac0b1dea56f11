"""Which torch device a name means, how much memory it has left, and how the CPU's is kept between layers."""

from __future__ import annotations

import contextlib
import ctypes
import os
from collections.abc import Generator
from pathlib import Path
from typing import Any

import psutil

from cleaners.errors import MissingModelError

_TRIM_THRESHOLD, _MMAP_MAX = -1, -4
"""glibc's names for mallopt (malloc.h)."""
_USUAL = {_TRIM_THRESHOLD: 128 << 10, _MMAP_MAX: 65536}
_KEPT = {_TRIM_THRESHOLD: (1 << 31) - 1, _MMAP_MAX: 0}


def torch_device(name: str) -> Any:
    """The torch.device for auto, cpu, cuda, cuda:N or mps. Raises MissingModelError where there is none such."""
    import torch

    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    device = torch.device(name)
    if device.type == "cuda" and not (torch.cuda.is_available() and (device.index or 0) < torch.cuda.device_count()):
        raise MissingModelError(
            f"device {name} is not there: torch sees {torch.cuda.device_count()} CUDA devices", "use device cpu"
        )
    return device


def free_memory(device: Any) -> int:
    """Bytes that may be used on a torch device; on the CPU the least of what system, container and limits leave."""
    import torch

    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        return free + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return min([int(psutil.virtual_memory().available), *_container(), *_limit()])


@contextlib.contextmanager
def kept_memory(device: Any) -> Generator[None]:
    """On a CPU with glibc, memory that layers free stays with the process until the end.

    By default every large tensor comes fresh from the kernel, which clears it page by page: a third of the time of a
    network whose layers are quick and wide. Elsewhere this does nothing.
    """
    library: Any = ctypes.CDLL(None) if device.type == "cpu" and os.name == "posix" else None
    if not hasattr(library, "mallopt") or not hasattr(library, "malloc_trim"):
        yield
        return
    for name, value in _KEPT.items():
        library.mallopt(name, value)
    try:
        yield
    finally:
        for name, value in _USUAL.items():
            library.mallopt(name, value)
        library.malloc_trim(0)


def _container() -> list[int]:
    """What a control group (version 2 or 1) leaves."""
    for most, used in (
        ("memory.max", "memory.current"),
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"),
    ):
        with contextlib.suppress(OSError, ValueError):
            base = Path("/sys/fs/cgroup")
            return [max(0, int((base / most).read_text("ascii")) - int((base / used).read_text("ascii")))]
    return []


def _limit() -> list[int]:
    """What the address space limit of this process leaves, where one is set."""
    try:
        import resource

        soft, _ = resource.getrlimit(resource.RLIMIT_AS)
        if soft == resource.RLIM_INFINITY:
            return []
        pages = int(Path("/proc/self/statm").read_text("ascii").split()[0])
        return [max(0, soft - pages * os.sysconf("SC_PAGE_SIZE"))]
    except (ImportError, OSError, ValueError):
        return []
