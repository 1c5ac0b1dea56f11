"""What a machine cannot give: too little disk is found before the start, too little memory is told with what to change."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Generator
from pathlib import Path

import torch

from curate.errors import MissingError
from curate.train.options import TrainOptions

GIB = 1 << 30
SAYS_NO_MEMORY = ("out of memory", "can't allocate memory", "not enough memory", "could not create a memory object")
"""What PyTorch's errors say where the device's or the machine's memory ends."""


def room(place: Path, needed: float, what: str) -> None:
    """Raises MissingError where the disk of a folder has less than `needed` GiB free."""
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free / GIB
    if free < needed:
        raise MissingError(
            f"the disk of {place} has {free:.2f} GiB free, and {what} will take {needed:.2f} GiB",
            "free some space, or train in a folder on another disk; keep_states 1 keeps fewer checkpoints",
        )


@contextlib.contextmanager
def memory_errors(options: TrainOptions, what: str) -> Generator[None]:
    """Turns an allocator's refusal into a MissingError that names the settings of this run that would need less."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        text = str(error).lower()
        if not isinstance(error, MemoryError | torch.OutOfMemoryError) and not any(one in text for one in SAYS_NO_MEMORY):
            raise
        remedies = "; ".join(less_memory(options))
        raise MissingError(
            f"not enough memory while {what}: {str(error).splitlines()[0]}" if text else what, remedies
        ) from error


def less_memory(options: TrainOptions) -> list[str]:
    """Settings that would need less memory and are not set yet, the one that costs least first."""
    found: list[str] = []
    if not options.gradient_checkpointing:
        found.append("set gradient_checkpointing (same result, a fifth to a third slower)")
    if options.batch > 1:
        half = options.batch // 2
        found.append(f"batch {half} with accumulate {options.accumulate * -(-options.batch // half)} (same result)")
    if options.precision == "fp32":
        found.append("precision bf16")
    if options.text_lr != 0:
        found.append("text_lr 0 leaves the text encoders as they are")
    found.append("a lower resolution")
    found.append("a lower rank or preset attn-only")
    return found
