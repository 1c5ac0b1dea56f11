"""Device: which one computes, how a CPU gives the same bytes each time, and how its lack of memory is told."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Generator

import torch

from curate.errors import MissingError

SMALL = 20_000_000
"""Parameters of a UNet below which one thread is used. A choice, not a measurement: `tests/bench/adapter_constants.py
--only threads` prints both sides; it decides the last bits of trained files, so it stays as it is."""
SAYS_NO_MEMORY = ("out of memory", "can't allocate memory", "not enough memory", "could not create a memory object")
"""What PyTorch's errors say where the device's or the machine's memory ends."""


@contextlib.contextmanager
def reproducible(device: torch.device, parameters: int) -> Generator[None]:
    """On a CPU: a number of threads that hangs on machine and model alone, and deterministic kernels.

    Sums are split by thread, so that another number of threads would give other last bits. A small model is
    quickest on one thread.
    """
    if device.type != "cpu":
        yield
        return
    threads, strict = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    warn_only = torch.is_deterministic_algorithms_warn_only_enabled()
    torch.set_num_threads(1 if parameters < SMALL else min(os.cpu_count() or 1, 16))
    torch.use_deterministic_algorithms(True, warn_only=True)
    try:
        with torch.random.fork_rng(devices=[]):
            yield
    finally:
        torch.set_num_threads(threads)
        torch.use_deterministic_algorithms(strict, warn_only=warn_only)


def gpus() -> int:
    """How many GPUs PyTorch finds."""
    return torch.cuda.device_count() if torch.cuda.is_available() else 0


def resolve_device(name: str, require_gpu: bool = False) -> torch.device:
    """auto is the first GPU where there is one. Raises MissingError for a GPU that is not there."""
    count = gpus()
    remedy = "`curate doctor` says why; or run on the CPU: without require_gpu, device auto"
    if require_gpu and name in ("auto", "cpu") and not count:
        raise MissingError("no GPU: PyTorch finds no CUDA device", remedy)
    if name == "auto":
        return torch.device("cuda" if count else "cpu")
    device = torch.device(name)
    if device.type == "cuda" and (device.index or 0) >= count:
        raise MissingError(f"device {name} is not there: PyTorch finds {count} CUDA devices", remedy)
    return device


def is_allocation_error(error: Exception) -> bool:
    """Whether an error is an allocator's: the device's or the machine's memory ends here."""
    known = isinstance(error, MemoryError | torch.OutOfMemoryError)
    return known or any(phrase in str(error).lower() for phrase in SAYS_NO_MEMORY)


@contextlib.contextmanager
def allocation_errors(missing: Callable[[Exception], MissingError]) -> Generator[None]:
    """Raises what `missing` makes of an allocator's error: what was being done, and what would need less."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not is_allocation_error(error):
            raise
        raise missing(error) from error
