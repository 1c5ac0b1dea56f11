"""Lumina 2's transformer: its names in the original file, its configuration from shapes, its layers without values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from curate.diffusion.networks.blocks import block_count
from curate.diffusion.skeleton import Skeleton

TIME = 256
"""Numbers that tell the time; no configuration says another."""
MOST_TIME = 1024
"""Width of the time's embedding in networks at least as wide."""
NETWORK: Mapping[str, Any] = {
    "in_channels": 16,
    "hidden_size": 2304,
    "num_layers": 26,
    "num_refiner_layers": 2,
    "num_attention_heads": 24,
    "num_kv_heads": 8,
    "multiple_of": 256,
    "axes_dim_rope": (32, 32, 32),
    "axes_lens": (300, 512, 512),
    "cap_feat_dim": 2304,
}
"""The published one, in diffusers' words."""
STACKS = ("noise_refiner", "context_refiner", "layers")
INNER = {
    "attn.to_out.0.weight": "attention.out.weight",
    "attn.norm_q.weight": "attention.q_norm.weight",
    "attn.norm_k.weight": "attention.k_norm.weight",
    **{f"feed_forward.linear_{n}.weight": f"feed_forward.w{n}.weight" for n in (1, 2, 3)},
    "norm1.linear.weight": "adaLN_modulation.1.weight",
    "norm1.linear.bias": "adaLN_modulation.1.bias",
    "norm1.norm.weight": "attention_norm1.weight",
    "norm1.weight": "attention_norm1.weight",
    "norm2.weight": "attention_norm2.weight",
    "ffn_norm1.weight": "ffn_norm1.weight",
    "ffn_norm2.weight": "ffn_norm2.weight",
}
"""Tensors of a block, but for query, key and value, which the original file holds in one."""
EDGES = {
    "x_embedder": "x_embedder",
    "time_caption_embed.timestep_embedder.linear_1": "t_embedder.mlp.0",
    "time_caption_embed.timestep_embedder.linear_2": "t_embedder.mlp.2",
    "time_caption_embed.caption_embedder.0": "cap_embedder.0",
    "time_caption_embed.caption_embedder.1": "cap_embedder.1",
    "norm_out.linear_1": "final_layer.adaLN_modulation.1",
    "norm_out.linear_2": "final_layer.linear",
}


def original_name(name: str) -> str:
    """What the original file calls a tensor of diffusers' model; the matrix that holds it, for query, key and value."""
    stem, _, kind = name.rpartition(".")
    if stem in EDGES:
        return f"{EDGES[stem]}.{kind}"
    stack, number, inner = name.split(".", 2)
    joint = inner in ("attn.to_q.weight", "attn.to_k.weight", "attn.to_v.weight")
    return f"{stack}.{number}.{'attention.qkv.weight' if joint else INNER[inner]}"


def renamed(state: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of a file by diffusers' names. Raises KeyError for one that it lacks."""
    found: dict[str, Tensor] = {}
    for name in wanted:
        tensor = state[original_name(name)]
        if ".to_q." in name:
            parts = [wanted[name.replace("to_q", what)].shape[0] for what in ("to_q", "to_k", "to_v")]
            names = [name.replace("to_q", what) for what in ("to_q", "to_k", "to_v")]
            found |= zip(names, torch.split(tensor, parts), strict=True)
        elif ".to_k." not in name and ".to_v." not in name:
            found[name] = tensor
    return found


def config_of(state: Mapping[str, Tensor]) -> dict[str, Any]:
    """The transformer's configuration, read off the shapes of a file's tensors. Raises KeyError."""
    width, inputs = state["x_embedder.weight"].shape
    each = state["layers.0.attention.q_norm.weight"].shape[0]
    joint = state["layers.0.attention.qkv.weight"].shape[0]
    wide = state["layers.0.feed_forward.w1.weight"].shape[0]
    return {
        **NETWORK,
        "in_channels": inputs // 4,
        "hidden_size": width,
        "num_layers": block_count(state, "layers"),
        "num_refiner_layers": block_count(state, "noise_refiner"),
        "num_attention_heads": width // each,
        "num_kv_heads": (joint - width) // 2 // each,
        "multiple_of": NETWORK["multiple_of"] if wide % NETWORK["multiple_of"] == 0 else wide,
        "axes_dim_rope": (each - 2 * (each // 3 // 2 * 2),) + (each // 3 // 2 * 2,) * 2,
        "cap_feat_dim": state["cap_embedder.1.weight"].shape[1],
    }


def outline(config: Mapping[str, Any]) -> Skeleton:
    """The transformer without values."""
    made, width = Skeleton(config), int(config["hidden_size"])
    inside, time = 4 * int(config["in_channels"]), min(width, MOST_TIME)
    made.linear("x_embedder", inside, width)
    made.linear("time_caption_embed.timestep_embedder.linear_1", TIME, time)
    made.linear("time_caption_embed.timestep_embedder.linear_2", time, time)
    made.rms("time_caption_embed.caption_embedder.0", int(config["cap_feat_dim"]))
    made.linear("time_caption_embed.caption_embedder.1", int(config["cap_feat_dim"]), width)
    for stack in STACKS:
        for n in range(int(config["num_layers" if stack == "layers" else "num_refiner_layers"])):
            _block(made, f"{stack}.{n}", config, 0 if stack == "context_refiner" else time)
    made.linear("norm_out.linear_1", time, width)
    made.linear("norm_out.linear_2", width, inside)
    return made


def _block(made: Skeleton, block: str, config: Mapping[str, Any], time: int) -> None:
    """`time` is 0 where the block is not told the time."""
    width, multiple = int(config["hidden_size"]), int(config["multiple_of"])
    each = width // int(config["num_attention_heads"])
    kv = each * int(config["num_kv_heads"])
    wide = -(-4 * width // multiple) * multiple
    for what, out in (("to_q", width), ("to_k", kv), ("to_v", kv), ("to_out.0", width)):
        made.linear(f"{block}.attn.{what}", width, out, False)
    made.rms(f"{block}.attn.norm_q", each)
    made.rms(f"{block}.attn.norm_k", each)
    for n, (into, out) in enumerate(((width, wide), (wide, width), (width, wide)), 1):
        made.linear(f"{block}.feed_forward.linear_{n}", into, out, False)
    if time:
        made.linear(f"{block}.norm1.linear", time, 4 * width)
    for norm in ("norm1.norm" if time else "norm1", "ffn_norm1", "norm2", "ffn_norm2"):
        made.rms(f"{block}.{norm}", width)
