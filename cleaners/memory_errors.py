"""Which errors of PyTorch and onnxruntime mean that memory ran out, where they have no type of their own for it."""

from __future__ import annotations

import sys
from typing import Any

# parts of messages in lower case; the types of these errors say no more than "something failed while running"
_MESSAGES = (
    "can't allocate memory",  # PyTorch 2.x on a CPU, DefaultCPUAllocator: RuntimeError
    "not enough memory",  # the same on Windows
    "out of memory",  # CUDA through onnxruntime 1.x, and what PyTorch's own kernels raise as a RuntimeError
    "failed to allocate",  # onnxruntime 1.x, BFCArena: RuntimeException
    "bad_alloc",  # the C++ library's, through either
    # oneDNN 3.x where it finds no room for its work space; a shape that it cannot run fails on any tile
    "could not create a primitive",
)


def is_memory_error(error: BaseException) -> bool:
    """Whether an error means that the device's or the machine's memory is full."""
    torch: Any = sys.modules.get("torch")
    if isinstance(error, MemoryError) or (torch is not None and isinstance(error, torch.OutOfMemoryError)):
        return True
    text = str(error).lower()
    return any(message in text for message in _MESSAGES)
