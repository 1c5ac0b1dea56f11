"""Cosmos' transformer, as Anima uses it: its configuration from a file's shapes, and its layers without values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from curate.diffusion.networks.blocks import block_count
from curate.diffusion.skeleton import Skeleton

NETWORK: Mapping[str, Any] = {
    "in_channels": 16,
    "out_channels": 16,
    "num_attention_heads": 16,
    "attention_head_dim": 128,
    "num_layers": 28,
    "mlp_ratio": 4.0,
    "text_embed_dim": 1024,
    "adaln_lora_dim": 256,
    "rope_scale": (1.0, 4.0, 4.0),
    "concat_padding_mask": True,
    "extra_pos_embed_type": None,
}
"""Of 2 B, in diffusers' words."""


def config_of(state: Mapping[str, Tensor]) -> dict[str, Any]:
    """The transformer's configuration, read off the shapes of a file's tensors. Raises KeyError."""
    width, inputs = state["x_embedder.proj.1.weight"].shape
    each = state["blocks.0.self_attn.q_norm.weight"].shape[0]
    channels = state["final_layer.linear.weight"].shape[0] // 4
    return {
        **NETWORK,
        "in_channels": channels,
        "out_channels": channels,
        "concat_padding_mask": inputs // 4 == channels + 1,
        "num_attention_heads": width // each,
        "attention_head_dim": each,
        "num_layers": block_count(state, "blocks"),
        "mlp_ratio": state["blocks.0.mlp.layer1.weight"].shape[0] / width,
        "text_embed_dim": state["blocks.0.cross_attn.k_proj.weight"].shape[1],
        "adaln_lora_dim": state["blocks.0.adaln_modulation_self_attn.1.weight"].shape[0],
    }


def outline(config: Mapping[str, Any]) -> Skeleton:
    """The transformer without values."""
    made, each = Skeleton(config), int(config["attention_head_dim"])
    width, adaln, text = (
        each * int(config["num_attention_heads"]),
        int(config["adaln_lora_dim"]),
        config["text_embed_dim"],
    )
    wide = int(width * config["mlp_ratio"])
    made.linear("patch_embed.proj", 4 * (config["in_channels"] + bool(config["concat_padding_mask"])), width, False)
    made.linear("time_embed.t_embedder.linear_1", width, width, False)
    made.linear("time_embed.t_embedder.linear_2", width, 3 * width, False)
    made.rms("time_embed.norm", width)
    for block in (f"transformer_blocks.{n}" for n in range(config["num_layers"])):
        for n in (1, 2, 3):
            made.linear(f"{block}.norm{n}.linear_1", width, adaln, False)
            made.linear(f"{block}.norm{n}.linear_2", adaln, 3 * width, False)
        for attention, read in (("attn1", width), ("attn2", text)):
            for what, into in (("to_q", width), ("to_k", read), ("to_v", read), ("to_out.0", width)):
                made.linear(f"{block}.{attention}.{what}", into, width, False)
            made.rms(f"{block}.{attention}.norm_q", each)
            made.rms(f"{block}.{attention}.norm_k", each)
        made.linear(f"{block}.ff.net.0.proj", width, wide, False)
        made.linear(f"{block}.ff.net.2", wide, width, False)
    made.linear("norm_out.linear_1", width, adaln, False)
    made.linear("norm_out.linear_2", adaln, 2 * width, False)
    made.linear("proj_out", width, 4 * config["out_channels"], False)
    return made
