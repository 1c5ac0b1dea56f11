"""What is said where a picture does not fit into memory."""

from __future__ import annotations

from contextlib import AbstractContextManager

import torch

from curate.diffusion.device import allocation_errors
from curate.errors import MissingError
from curate.sampling.options import ModelOptions


def memory_errors(
    options: ModelOptions, pictures: int, device: torch.device, dtype: torch.dtype
) -> AbstractContextManager[None]:
    """Turns an allocator's refusal into a MissingError with the options that would need less."""
    remedies = [
        *([f"batch {pictures // 2}"] if pictures > 1 else []),
        *(["offload"] if not options.offload and device.type != "cpu" else []),
        *(["tiled"] if not options.tiled else []),
        *(["precision fp16 or bf16"] if dtype == torch.float32 else []),
        "a smaller width and height",
    ]
    message = "not enough memory to draw a picture"
    return allocation_errors(lambda error: MissingError(message, "; ".join(remedies)))
