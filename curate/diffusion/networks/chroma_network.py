"""Chroma's transformer: its configuration from a file's shapes, and its layers without values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from curate.diffusion.networks import flux_network
from curate.diffusion.networks.blocks import block_count, joint_attention
from curate.diffusion.skeleton import Skeleton

NETWORK: Mapping[str, Any] = {
    "in_channels": 64,
    "out_channels": None,
    "num_layers": 19,
    "num_single_layers": 38,
    "attention_head_dim": 128,
    "num_attention_heads": 24,
    "joint_attention_dim": 4096,
    "axes_dims_rope": (16, 56, 56),
    "approximator_num_channels": 64,
    "approximator_hidden_dim": 5120,
    "approximator_layers": 5,
}
"""The published one, in diffusers' words."""
GUIDANCE = "distilled_guidance_layer."
"""Where the layers are that make the modulations, in every form of the network."""


def config_of(state: Mapping[str, Tensor]) -> dict[str, Any]:
    """The transformer's configuration, read off the shapes of a file's tensors. Raises KeyError."""
    width, inputs = state["img_in.weight"].shape
    each = state["double_blocks.0.img_attn.norm.query_norm.scale"].shape[0]
    inside, told = state["distilled_guidance_layer.in_proj.weight"].shape
    return {
        **NETWORK,
        "in_channels": inputs,
        "num_layers": block_count(state, "double_blocks"),
        "num_single_layers": block_count(state, "single_blocks"),
        "attention_head_dim": each,
        "num_attention_heads": width // each,
        "joint_attention_dim": state["txt_in.weight"].shape[1],
        "axes_dims_rope": (each // 8, each * 7 // 16, each * 7 // 16),
        "approximator_num_channels": told,
        "approximator_hidden_dim": inside,
        "approximator_layers": block_count(state, "distilled_guidance_layer.layers"),
    }


def complete(network: Any) -> Any:
    """The network with what tells its blocks apart, which is in no file, in float32."""
    from diffusers.models.embeddings import get_timestep_embedding

    config, made = network.config, network.time_text_embed
    count = 3 * config["num_single_layers"] + 12 * config["num_layers"] + 2
    del made.mod_proj  # as a buffer it would follow the weights into bf16
    numbers, wide = torch.arange(count, device="cpu") * 1000, config["approximator_num_channels"] // 2
    made.mod_proj = get_timestep_embedding(numbers, wide, flip_sin_to_cos=True, downscale_freq_shift=0)
    return network


def outline(config: Mapping[str, Any]) -> Skeleton:
    """The transformer without values."""
    made, each = Skeleton(config), int(config["attention_head_dim"])
    width, inputs = each * int(config["num_attention_heads"]), int(config["in_channels"])
    inside = int(config["approximator_hidden_dim"])
    made.linear("distilled_guidance_layer.in_proj", int(config["approximator_num_channels"]), inside)
    for n in range(config["approximator_layers"]):
        made.linear(f"distilled_guidance_layer.layers.{n}.linear_1", inside, inside)
        made.linear(f"distilled_guidance_layer.layers.{n}.linear_2", inside, inside)
        made.rms(f"distilled_guidance_layer.norms.{n}", inside)
    made.linear("distilled_guidance_layer.out_proj", inside, width)
    made.linear("context_embedder", int(config["joint_attention_dim"]), width)
    made.linear("x_embedder", inputs, width)
    for block in (f"transformer_blocks.{n}" for n in range(config["num_layers"])):
        joint_attention(made, block, width, each)
        for stream in ("ff", "ff_context"):
            made.linear(f"{block}.{stream}.net.0.proj", width, 4 * width)
            made.linear(f"{block}.{stream}.net.2", 4 * width, width)
    for block in (f"single_transformer_blocks.{n}" for n in range(config["num_single_layers"])):
        for what in ("to_q", "to_k", "to_v"):
            made.linear(f"{block}.attn.{what}", width, width)
        made.rms(f"{block}.attn.norm_q", each)
        made.rms(f"{block}.attn.norm_k", each)
        made.linear(f"{block}.proj_mlp", width, 4 * width)
        made.linear(f"{block}.proj_out", 5 * width, width)
    made.linear("proj_out", width, int(config["out_channels"] or inputs))
    return made


def own_names(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A file's tensors by diffusers' names; unlike diffusers' own, of any width."""
    guidance = {key: tensor for key, tensor in state.items() if key.startswith(GUIDANCE)}
    own = {_guidance_name(key): tensor for key, tensor in guidance.items()}
    return own | flux_network.converted({key: tensor for key, tensor in state.items() if key not in guidance})


def _guidance_name(key: str) -> str:
    """diffusers' name of a tensor of the guidance layer."""
    stem, _, kind = key.rpartition(".")
    stem = stem.replace(".in_layer", ".linear_1").replace(".out_layer", ".linear_2")
    return f"{stem}.{'weight' if kind == 'scale' else kind}"
