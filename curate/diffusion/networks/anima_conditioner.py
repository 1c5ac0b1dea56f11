"""Anima's conditioner: its configuration from a file's shapes, and its layers without values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from curate.diffusion.networks.blocks import block_count
from curate.diffusion.skeleton import Skeleton

CONDITIONER: Mapping[str, Any] = {
    "source_dim": 1024,
    "target_dim": 1024,
    "model_dim": 1024,
    "num_layers": 6,
    "num_attention_heads": 16,
    "mlp_ratio": 4.0,
    "target_vocab_size": 32128,
}
"""The published one, in diffusers' words."""


def config_of(state: Mapping[str, Tensor]) -> dict[str, Any]:
    """Read off the shapes of a file's tensors. Raises KeyError."""
    vocabulary, target = state["embed.weight"].shape
    width = state["blocks.0.self_attn.q_proj.weight"].shape[1]
    return {
        "source_dim": state["blocks.0.cross_attn.k_proj.weight"].shape[1],
        "target_dim": target,
        "model_dim": width,
        "num_layers": block_count(state, "blocks"),
        "num_attention_heads": width // state["blocks.0.self_attn.q_norm.weight"].shape[0],
        "mlp_ratio": state["blocks.0.mlp.0.weight"].shape[0] / width,
        "target_vocab_size": vocabulary,
    }


def outline(config: Mapping[str, Any]) -> Skeleton:
    """The conditioner without values."""
    made, width, target = Skeleton(config), int(config["model_dim"]), int(config["target_dim"])
    wide, each = int(width * config["mlp_ratio"]), width // int(config["num_attention_heads"])
    made.embedding("embed", config["target_vocab_size"], target)
    if width != target:
        made.linear("in_proj", target, width)
    for block in (f"blocks.{n}" for n in range(config["num_layers"])):
        for attention, read in (("self_attn", width), ("cross_attn", config["source_dim"])):
            made.rms(f"{block}.norm_{attention}", width)
            for what, into in (("q", width), ("k", read), ("v", read), ("o", width)):
                made.linear(f"{block}.{attention}.{what}_proj", into, width, False)
            made.rms(f"{block}.{attention}.q_norm", each)
            made.rms(f"{block}.{attention}.k_norm", each)
        made.rms(f"{block}.norm_mlp", width)
        made.linear(f"{block}.mlp.0", width, wide)
        made.linear(f"{block}.mlp.2", wide, width)
    made.linear("out_proj", width, target)
    made.rms("norm", target)
    return made
