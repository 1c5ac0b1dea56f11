"""Room: how many pictures a device takes at once, by its free memory, and what happens where that was too many."""

from __future__ import annotations

import ctypes
import logging
import sys
from collections.abc import Callable, Sequence
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

LOG = logging.getLogger("taggers")

MOST = 32
"""More at once makes no tagger faster."""

EACH = 256 << 20
"""Bytes that one picture of 448×448 takes on its way through a large model in single precision, generously."""


def fitting(free: int | None, pixels: int, *, half: bool = False) -> int:
    """Pictures of so many pixels for a device with so many free bytes (None: not known), 1 to `MOST`.

    A fifth stays free: other programs use the device as well.
    """
    if free is None:
        return MOST
    each = EACH * pixels / (448 * 448) / (2 if half else 1)
    return max(1, min(MOST, int(free * 0.8 / each)))


def free_bytes(device: int) -> int | None:
    """Free memory of a CUDA device by its driver, None where the driver does not say."""
    try:
        cuda = ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    except OSError:
        return None
    number, context, free, total = ctypes.c_int(), ctypes.c_void_p(), ctypes.c_size_t(), ctypes.c_size_t()
    if cuda.cuInit(0) or cuda.cuDeviceGet(ctypes.byref(number), device):
        return None
    if cuda.cuDevicePrimaryCtxRetain(ctypes.byref(context), number):
        return None
    try:
        if cuda.cuCtxPushCurrent_v2(context):
            return None
        failed = cuda.cuMemGetInfo_v2(ctypes.byref(free), ctypes.byref(total))
        cuda.cuCtxPopCurrent_v2(ctypes.byref(context))
        return None if failed else free.value
    finally:
        cuda.cuDevicePrimaryCtxRelease_v2(number)


def lacking(error: Exception) -> bool:
    """Whether an error of onnxruntime or PyTorch says that the device's memory is full."""
    said = str(error).casefold()
    return any(words in said for words in ("failed to allocate memory", "out of memory", "bfcarena", "cuda failure 2"))


class Room:
    """Runs batches, smaller ones from the first that does not fit; `batch` is how many are run at once now."""

    def __init__(self, batch: int, *, fixed: bool = False) -> None:
        self.batch = batch
        self._fixed = fixed

    def run(self, items: Sequence[T], once: Callable[[Sequence[T]], list[R]]) -> list[R]:
        """Results of all items, in order. What fails with a single item, or for another reason, is raised."""
        found: list[R] = []
        while len(found) < len(items):
            part = items[len(found) : len(found) + self.batch]
            try:
                found += once(part)
            except Exception as error:
                if self._fixed or len(part) == 1 or not lacking(error):
                    raise
                self.batch = len(part) // 2
                LOG.warning(
                    "the device's memory does not hold %d pictures at once: going on with %d", len(part), self.batch
                )
        return found
