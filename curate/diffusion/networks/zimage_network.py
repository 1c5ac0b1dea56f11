"""Z-Image's transformer: its configuration from a file's shapes, and its layers without values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from curate.diffusion.networks.blocks import block_count
from curate.diffusion.skeleton import Skeleton

TIME, TIME_INSIDE = 256, 1024
"""Widths of what the time is told by; no configuration says another."""
NETWORK: Mapping[str, Any] = {
    "in_channels": 16,
    "dim": 3840,
    "n_layers": 30,
    "n_refiner_layers": 2,
    "n_heads": 30,
    "n_kv_heads": 30,
    "cap_feat_dim": 2560,
    "axes_dims": [32, 48, 48],
    "axes_lens": [1024, 512, 512],
}
"""The published one, in diffusers' words."""


def config_of(state: Mapping[str, Tensor]) -> dict[str, Any]:
    """The transformer's configuration, read off the shapes of a file's tensors. Raises KeyError."""
    width, inputs = state["x_embedder.weight"].shape
    each = state["layers.0.attention.q_norm.weight"].shape[0]
    return {
        **NETWORK,
        "in_channels": inputs // 4,
        "dim": width,
        "n_layers": block_count(state, "layers"),
        "n_refiner_layers": block_count(state, "noise_refiner"),
        "n_heads": width // each,
        "n_kv_heads": width // each,
        "cap_feat_dim": state["cap_embedder.1.weight"].shape[1],
        "axes_dims": [each // 4, each * 3 // 8, each * 3 // 8],
    }


def outline(config: Mapping[str, Any]) -> Skeleton:
    """The transformer without values."""
    made, width, inside = Skeleton(config), int(config["dim"]), 4 * int(config["in_channels"])
    time = min(width, TIME)
    made.parameter("x_pad_token", 1, width)
    made.parameter("cap_pad_token", 1, width)
    made.linear("all_x_embedder.2-1", inside, width)
    made.linear("all_final_layer.2-1.linear", width, inside)
    made.linear("all_final_layer.2-1.adaLN_modulation.1", time, width)
    made.linear("t_embedder.mlp.0", TIME, TIME_INSIDE)
    made.linear("t_embedder.mlp.2", TIME_INSIDE, time)
    made.rms("cap_embedder.0", int(config["cap_feat_dim"]))
    made.linear("cap_embedder.1", int(config["cap_feat_dim"]), width)
    for n in range(config["n_refiner_layers"]):
        _block(made, f"noise_refiner.{n}", width, config, time)
        _block(made, f"context_refiner.{n}", width, config, 0)
    for n in range(config["n_layers"]):
        _block(made, f"layers.{n}", width, config, time)
    return made


def _block(made: Skeleton, block: str, width: int, config: Mapping[str, Any], time: int) -> None:
    """`time` is 0 where the block is not told the time."""
    each, wide = width // int(config["n_heads"]), int(width / 3 * 8)
    for what in ("to_q", "to_k", "to_v", "to_out.0"):
        made.linear(f"{block}.attention.{what}", width, width, False)
    made.rms(f"{block}.attention.norm_q", each)
    made.rms(f"{block}.attention.norm_k", each)
    made.linear(f"{block}.feed_forward.w1", width, wide, False)
    made.linear(f"{block}.feed_forward.w2", wide, width, False)
    made.linear(f"{block}.feed_forward.w3", width, wide, False)
    for norm in ("attention_norm1", "ffn_norm1", "attention_norm2", "ffn_norm2"):
        made.rms(f"{block}.{norm}", width)
    if time:
        made.linear(f"{block}.adaLN_modulation.0", time, 4 * width)
