"""Qwen-Image 2.1's transformer: its configuration from a file's shapes, and its layers without values."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from curate.diffusion.networks.blocks import block_count
from curate.diffusion.skeleton import Skeleton

TIME = 256
"""Numbers that the time is told by; no configuration says another."""
NETWORK: Mapping[str, Any] = {
    "in_channels": 64,
    "out_channels": 64,
    "num_layers": 32,
    "attention_head_dim": 128,
    "num_attention_heads": 32,
    "context_in_dim": 4096,
    "mlp_ratio": 3,
    "axes_dims_rope": (16, 56, 56),
}
"""The published one, in diffusers' words."""


def config_of(state: Mapping[str, Tensor]) -> dict[str, Any]:
    """The transformer's configuration, read off the shapes of its tensors by diffusers' names. Raises KeyError."""
    width, inputs = state["img_in.weight"].shape
    each = state["transformer_blocks.0.attn.norm_q.weight"].shape[0]
    return {
        **NETWORK,
        "in_channels": inputs,
        "out_channels": state["proj_out.weight"].shape[0],
        "num_layers": block_count(state, "transformer_blocks"),
        "attention_head_dim": each,
        "num_attention_heads": width // each,
        "context_in_dim": state["txt_in.text_norm.weight"].shape[0],
        "mlp_ratio": state["transformer_blocks.0.img_mlp.proj.weight"].shape[0] // width,
        "axes_dims_rope": (each // 8, each * 7 // 16, each * 7 // 16),
    }


def complete(network: Any) -> Any:
    """The network with what is in no file: positions, and the frequencies of its time, which stay in float32."""
    network.pos_embed = type(network.pos_embed)(10_000, list(network.config["axes_dims_rope"]))
    time = network.time_text_embed.time_proj
    del time.freqs  # as a buffer they would follow the weights into bf16
    time.freqs = torch.exp(-math.log(10_000) * torch.arange(TIME // 2, dtype=torch.float32) / (TIME // 2))
    return network


def outline(config: Mapping[str, Any]) -> Skeleton:
    """The transformer without values."""
    made, each = Skeleton(config), int(config["attention_head_dim"])
    width, text = each * int(config["num_attention_heads"]), int(config["context_in_dim"])
    made.linear("time_text_embed.timestep_embedder.linear_1", TIME, width, False)
    made.linear("time_text_embed.timestep_embedder.linear_2", width, width, False)
    made.rms("txt_in.text_norm", text)
    made.linear("txt_in.in_layer", text, width, False)
    made.linear("txt_in.out_layer", width, width, False)
    made.linear("img_in", int(config["in_channels"]), width, False)
    made.linear("modulation.1", width, 4 * width, False)
    wide = width * int(config["mlp_ratio"])
    for block in (f"transformer_blocks.{n}" for n in range(config["num_layers"])):
        for what in ("to_q", "to_k", "to_v", "to_out.0"):
            made.linear(f"{block}.attn.{what}", width, width, False)
        made.rms(f"{block}.attn.norm_q", each)
        made.rms(f"{block}.attn.norm_k", each)
        made.linear(f"{block}.img_mlp.proj", width, wide, False)
        made.linear(f"{block}.img_mlp.out", wide, width, False)
        made.linear(f"{block}.img_mlp.gate_layer", width, wide, False)
    made.linear("norm_out.linear", width, width, False)
    made.linear("proj_out", width, int(config["out_channels"] or config["in_channels"]), False)
    return made
