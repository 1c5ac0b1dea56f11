"""FLUX.1's transformer: its configuration from a file's shapes, its tensors, and its layers without values."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from curate.diffusion.networks.blocks import block_count, joint_attention
from curate.diffusion.skeleton import Skeleton

WAVE = 256
"""Width of what the time and the guidance are told by."""
NETWORK: Mapping[str, Any] = {
    "in_channels": 64,
    "num_layers": 19,
    "num_single_layers": 38,
    "attention_head_dim": 128,
    "num_attention_heads": 24,
    "joint_attention_dim": 4096,
    "pooled_projection_dim": 768,
    "guidance_embeds": True,
    "axes_dims_rope": (16, 56, 56),
}
"""Of dev, in diffusers' words."""
PARTS: Mapping[str, Mapping[str, str]] = {
    "double_blocks": {
        "img_mod.lin": "norm1.linear",
        "txt_mod.lin": "norm1_context.linear",
        "img_attn.proj": "attn.to_out.0",
        "txt_attn.proj": "attn.to_add_out",
        "img_mlp.0": "ff.net.0.proj",
        "img_mlp.2": "ff.net.2",
        "txt_mlp.0": "ff_context.net.0.proj",
        "txt_mlp.2": "ff_context.net.2",
    },
    "single_blocks": {"modulation.lin": "norm.linear", "linear2": "proj_out"},
    "": {
        "img_in": "x_embedder",
        "txt_in": "context_embedder",
        "time_in.in_layer": "time_text_embed.timestep_embedder.linear_1",
        "time_in.out_layer": "time_text_embed.timestep_embedder.linear_2",
        "guidance_in.in_layer": "time_text_embed.guidance_embedder.linear_1",
        "guidance_in.out_layer": "time_text_embed.guidance_embedder.linear_2",
        "vector_in.in_layer": "time_text_embed.text_embedder.linear_1",
        "vector_in.out_layer": "time_text_embed.text_embedder.linear_2",
        "final_layer.linear": "proj_out",
    },
}
"""Layers by block: path in the original model -> path in diffusers'."""
JOINT: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "double_blocks": {
        "img_attn.qkv": ("attn.to_q", "attn.to_k", "attn.to_v"),
        "txt_attn.qkv": ("attn.add_q_proj", "attn.add_k_proj", "attn.add_v_proj"),
    },
    "single_blocks": {"linear1": ("attn.to_q", "attn.to_k", "attn.to_v", "proj_mlp")},
}
"""Matrices that hold several layers, one below the other; the last takes what the others leave."""
NORMS: Mapping[str, str] = {
    "img_attn.norm.query_norm": "attn.norm_q",
    "img_attn.norm.key_norm": "attn.norm_k",
    "txt_attn.norm.query_norm": "attn.norm_added_q",
    "txt_attn.norm.key_norm": "attn.norm_added_k",
    "norm.query_norm": "attn.norm_q",
    "norm.key_norm": "attn.norm_k",
}
BLOCKS = {"double_blocks": "transformer_blocks", "single_blocks": "single_transformer_blocks"}


def config_of(state: Mapping[str, Tensor]) -> dict[str, Any]:
    """The transformer's configuration, read off the shapes of a file's tensors. Raises KeyError."""
    width, channels = state["img_in.weight"].shape
    each = state["double_blocks.0.img_attn.norm.query_norm.scale"].shape[0]
    return {
        **NETWORK,
        "in_channels": channels,
        "num_layers": block_count(state, "double_blocks"),
        "num_single_layers": block_count(state, "single_blocks"),
        "attention_head_dim": each,
        "num_attention_heads": width // each,
        "joint_attention_dim": state["txt_in.weight"].shape[1],
        "pooled_projection_dim": state["vector_in.in_layer.weight"].shape[1],
        "axes_dims_rope": (each // 8, each * 7 // 16, each * 7 // 16),
    }


def converted(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A file's tensors under diffusers' names; unlike diffusers' own, of any width. A key that is odd is left as it is.

    Raises KeyError.
    """
    found: dict[str, Tensor] = {}
    width = state["img_in.weight"].shape[0]
    for key, tensor in state.items():
        stem, _, end = key.rpartition(".")
        block = re.match(r"(double_blocks|single_blocks)\.(\d+)\.", stem)
        kind, inner = (block[1], stem[block.end() :]) if block else ("", stem)
        before = f"{BLOCKS[kind]}.{block[2]}." if block else ""
        if layers := JOINT.get(kind, {}).get(inner):
            sizes = [width] * (len(layers) - 1)
            parts = tensor.split([*sizes, len(tensor) - sum(sizes)])
            found |= {f"{before}{layer}.{end}": part for layer, part in zip(layers, parts, strict=True)}
        elif end == "scale" and inner in NORMS:
            found[f"{before}{NORMS[inner]}.weight"] = tensor
        elif stem == "final_layer.adaLN_modulation.1":  # shift and scale, where diffusers has scale and shift
            found[f"norm_out.linear.{end}"] = torch.cat(tensor.chunk(2)[::-1])
        elif inner in PARTS[kind]:
            found[f"{before}{PARTS[kind][inner]}.{end}"] = tensor
        else:
            found[key] = tensor
    return found


def outline(config: Mapping[str, Any]) -> Skeleton:
    """The transformer without values."""
    made, each, channels = Skeleton(config), int(config["attention_head_dim"]), int(config["in_channels"])
    width = each * int(config["num_attention_heads"])
    for name in ("timestep_embedder", "guidance_embedder") if config["guidance_embeds"] else ("timestep_embedder",):
        made.linear(f"time_text_embed.{name}.linear_1", WAVE, width)
        made.linear(f"time_text_embed.{name}.linear_2", width, width)
    made.linear("time_text_embed.text_embedder.linear_1", int(config["pooled_projection_dim"]), width)
    made.linear("time_text_embed.text_embedder.linear_2", width, width)
    made.linear("context_embedder", int(config["joint_attention_dim"]), width)
    made.linear("x_embedder", channels, width)
    for n in range(config["num_layers"]):
        _double(made, f"transformer_blocks.{n}", width, each)
    for block in (f"single_transformer_blocks.{n}" for n in range(config["num_single_layers"])):
        made.linear(f"{block}.norm.linear", width, 3 * width)
        made.linear(f"{block}.proj_mlp", width, 4 * width)
        made.linear(f"{block}.proj_out", 5 * width, width)
        for what in ("to_q", "to_k", "to_v"):
            made.linear(f"{block}.attn.{what}", width, width)
        made.rms(f"{block}.attn.norm_q", each)
        made.rms(f"{block}.attn.norm_k", each)
    made.linear("norm_out.linear", width, 2 * width)
    made.linear("proj_out", width, channels)
    return made


def _double(made: Skeleton, block: str, width: int, each: int) -> None:
    """A block with a stream for the picture and one for the caption."""
    for norm, stream in (("norm1", "ff"), ("norm1_context", "ff_context")):
        made.linear(f"{block}.{norm}.linear", width, 6 * width)
        made.linear(f"{block}.{stream}.net.0.proj", width, 4 * width)
        made.linear(f"{block}.{stream}.net.2", 4 * width, width)
    joint_attention(made, block, width, each)
