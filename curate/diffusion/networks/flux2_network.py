"""FLUX.2's transformer: its configuration from a file's shapes, and its layers without values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from curate.diffusion.networks.blocks import block_count, joint_attention
from curate.diffusion.skeleton import Skeleton

NETWORK: Mapping[str, Any] = {
    "in_channels": 128,
    "num_layers": 5,
    "num_single_layers": 20,
    "attention_head_dim": 128,
    "num_attention_heads": 24,
    "joint_attention_dim": 7680,
    "timestep_guidance_channels": 256,
    "mlp_ratio": 3.0,
    "axes_dims_rope": (32, 32, 32, 32),
    "guidance_embeds": False,
}
"""Of klein 4B, in diffusers' words."""
LARGE: Mapping[str, Any] = {
    **NETWORK,
    "num_layers": 8,
    "num_single_layers": 24,
    "num_attention_heads": 32,
    "joint_attention_dim": 12288,
}
"""Of klein 9B."""


def config_of(state: Mapping[str, Tensor]) -> dict[str, Any]:
    """The transformer's configuration, read off the shapes of a file's tensors. Raises KeyError."""
    width, channels = state["img_in.weight"].shape
    norm = "double_blocks.0.img_attn.norm.query_norm."
    each = state[f"{norm}scale" if f"{norm}scale" in state else f"{norm}weight"].shape[0]
    return {
        **NETWORK,
        "in_channels": channels,
        "num_layers": block_count(state, "double_blocks"),
        "num_single_layers": block_count(state, "single_blocks"),
        "attention_head_dim": each,
        "num_attention_heads": width // each,
        "joint_attention_dim": state["txt_in.weight"].shape[1],
        "timestep_guidance_channels": state["time_in.in_layer.weight"].shape[1],
        "mlp_ratio": state["double_blocks.0.img_mlp.2.weight"].shape[1] / width,
        "axes_dims_rope": (each // 4,) * 4,
    }


def outline(config: Mapping[str, Any]) -> Skeleton:
    """The transformer without values."""
    made, each, channels = Skeleton(config), int(config["attention_head_dim"]), int(config["in_channels"])
    width, wave = each * int(config["num_attention_heads"]), int(config["timestep_guidance_channels"])
    wide = int(width * config["mlp_ratio"])
    for n, into in enumerate((wave, width), 1):
        made.linear(f"time_guidance_embed.timestep_embedder.linear_{n}", into, width, False)
    made.linear("double_stream_modulation_img.linear", width, 6 * width, False)
    made.linear("double_stream_modulation_txt.linear", width, 6 * width, False)
    made.linear("single_stream_modulation.linear", width, 3 * width, False)
    made.linear("x_embedder", channels, width, False)
    made.linear("context_embedder", int(config["joint_attention_dim"]), width, False)
    for n in range(config["num_layers"]):
        _double(made, f"transformer_blocks.{n}", width, wide, each)
    for attention in (f"single_transformer_blocks.{n}.attn" for n in range(config["num_single_layers"])):
        made.linear(f"{attention}.to_qkv_mlp_proj", width, 3 * width + 2 * wide, False)
        made.linear(f"{attention}.to_out", width + wide, width, False)
        made.rms(f"{attention}.norm_q", each)
        made.rms(f"{attention}.norm_k", each)
    made.linear("norm_out.linear", width, 2 * width, False)
    made.linear("proj_out", width, channels, False)
    return made


def _double(made: Skeleton, block: str, width: int, wide: int, each: int) -> None:
    """A block with a stream for the picture and one for the caption."""
    joint_attention(made, block, width, each, False)
    for stream in ("ff", "ff_context"):
        made.linear(f"{block}.{stream}.linear_in", width, 2 * wide, False)
        made.linear(f"{block}.{stream}.linear_out", wide, width, False)
