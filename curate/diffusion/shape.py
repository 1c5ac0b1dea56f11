"""Reads off a diffusers UNet and a CLIP model which layers they have."""

from __future__ import annotations

from typing import Any

from torch import nn

from curate.diffusion.layer_names import UnetShape


def unet_shape(unet: nn.Module) -> UnetShape:
    """Transformer blocks by level, from the configuration."""
    config: Any = unet.config
    depth = config["transformer_layers_per_block"]
    down_types, up_types = config["down_block_types"], config["up_block_types"]
    depths = [depth] * len(down_types) if isinstance(depth, int) else list(depth)
    down = tuple(d if "CrossAttn" in kind else 0 for d, kind in zip(depths, down_types, strict=True))
    up = tuple(d if "CrossAttn" in kind else 0 for d, kind in zip(reversed(depths), up_types, strict=True))
    return UnetShape(down, up, depths[-1], int(config["layers_per_block"]))


def text_layers(model: nn.Module) -> int:
    """Number of transformer layers of a CLIP text model."""
    inner: Any = getattr(model, "text_model", model)
    return len(inner.encoder.layers)
