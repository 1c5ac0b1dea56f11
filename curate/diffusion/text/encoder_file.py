"""Reads the file of a text encoder, in 8 bits with scales too, as ComfyUI's users have them."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from curate.diffusion.checkpoint_file import read
from curate.errors import InputError

SCALE, OF_INPUTS, MARK = ".scale_weight", ".scale_input", "scaled_fp8"
UNREAD = (".weight_scale", ".comfy_quant", ".qweight", ".absmax")
"""Endings of keys beside weights in forms that are not read."""


def read_encoder(place: Path) -> dict[str, Tensor]:
    """The tensors of a file, those in 8 bits times their scales. Raises InputError for other forms."""
    state = read(place)
    if odd := next((key for key in state if key.endswith(UNREAD)), ""):
        raise InputError(f"{place} is stored in a form that is not read: it holds {odd}", "take the bf16 or fp16 file")
    for key in [key for key in state if key.endswith(SCALE)]:
        weight, scale = f"{key.removesuffix(SCALE)}.weight", state.pop(key)
        if weight in state:
            state[weight] = (state[weight].float() * scale.float()).to(torch.bfloat16)
    return {key: tensor for key, tensor in state.items() if key != MARK and not key.endswith(OF_INPUTS)}
