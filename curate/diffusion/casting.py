"""Models in a number format of fewer bits, but for what their classes want in float32: Krea 2's norms."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn


def wants_float32(model: nn.Module, name: str) -> bool:
    """Whether a tensor of that name is to stay in float32, as classes of diffusers say of their parts."""
    theirs: Any = getattr(model, "_keep_in_fp32_modules", None)
    kept = {str(part) for part in theirs or ()}
    return not kept.isdisjoint(name.split("."))


def cast(model: nn.Module, device: torch.device, dtype: torch.dtype) -> None:
    """Moves a model to a device and into a number format, in place."""
    kept = {name: p.detach() for name, p in model.named_parameters() if wants_float32(model, name)}
    nn.Module.to(model, device=device, dtype=dtype)
    for name, values in kept.items():
        model.get_parameter(name).data = values.to(device, torch.float32)
