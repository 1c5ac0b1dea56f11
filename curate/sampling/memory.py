"""What is said where a picture does not fit into memory."""

from __future__ import annotations

import contextlib
from collections.abc import Generator

import torch

from curate.diffusion.device import is_allocation_error
from curate.errors import MissingError
from curate.sampling.options import ModelOptions


@contextlib.contextmanager
def memory_errors(options: ModelOptions, pictures: int, device: torch.device, dtype: torch.dtype) -> Generator[None]:
    """Turns an allocator's refusal into a MissingError with the options that would need less."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not is_allocation_error(error):
            raise
        remedies = [
            *([f"batch {pictures // 2}"] if pictures > 1 else []),
            *(["offload"] if not options.offload and device.type != "cpu" else []),
            *(["tiled"] if not options.tiled else []),
            *(["precision fp16 or bf16"] if dtype == torch.float32 else []),
            "a smaller width and height",
        ]
        raise MissingError("not enough memory to draw a picture", "; ".join(remedies)) from error
