"""Krea 2's transformer: its names in the original file, its configuration from shapes, its layers without values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from curate.diffusion.networks.blocks import block_count
from curate.diffusion.skeleton import Skeleton

NETWORK: Mapping[str, Any] = {
    "in_channels": 64,
    "num_layers": 28,
    "attention_head_dim": 128,
    "num_attention_heads": 48,
    "num_key_value_heads": 12,
    "intermediate_size": 16384,
    "timestep_embed_dim": 256,
    "text_hidden_dim": 2560,
    "num_text_layers": 12,
    "text_num_attention_heads": 20,
    "text_num_key_value_heads": 20,
    "text_intermediate_size": 6912,
    "num_layerwise_text_blocks": 2,
    "num_refiner_text_blocks": 2,
    "axes_dims_rope": (32, 48, 48),
}
"""The published one, in diffusers' words."""
STACKS = {
    "text_fusion.layerwise_blocks": "txtfusion.layerwise_blocks",
    "text_fusion.refiner_blocks": "txtfusion.refiner_blocks",
    "transformer_blocks": "blocks",
}
"""Where blocks are, in diffusers' model and in the original one."""
ATTENTION = {"to_q": "wq", "to_k": "wk", "to_v": "wv", "to_gate": "gate", "to_out.0": "wo"}
LAYERS = {
    **{f"attn.{ours}": f"attn.{theirs}" for ours, theirs in ATTENTION.items()},
    **{f"ff.{name}": f"mlp.{name}" for name in ("gate", "up", "down")},
}
"""Linear layers of a block of any kind."""
EDGES = {
    "img_in": "first",
    "time_embed.linear_1": "tmlp.0",
    "time_embed.linear_2": "tmlp.2",
    "time_mod_proj": "tproj.1",
    "text_fusion.projector": "txtfusion.projector",
    "txt_in.linear_1": "txtmlp.1",
    "txt_in.linear_2": "txtmlp.3",
    "final_layer.linear": "last.linear",
}
"""Linear layers outside blocks."""
INNER = {
    "attn.norm_q.weight": "attn.qknorm.qnorm.scale",
    "attn.norm_k.weight": "attn.qknorm.knorm.scale",
    "norm1.weight": "prenorm.scale",
    "norm2.weight": "postnorm.scale",
    "scale_shift_table": "mod.lin",
}
OUTER = {
    "txt_in.norm.weight": "txtmlp.0.scale",
    "final_layer.norm.weight": "last.norm.scale",
    "final_layer.scale_shift_table": "last.modulation.lin",
}
"""Tensors that are no linear layer's, in blocks and outside."""


def original_name(name: str) -> str:
    """What the original file calls a tensor of diffusers' model."""
    if name in OUTER:
        return OUTER[name]
    stem, _, kind = name.rpartition(".")
    if stem in EDGES:
        return f"{EDGES[stem]}.{kind}"
    stack = next(one for one in STACKS if name.startswith(f"{one}."))
    number, _, inner = name.removeprefix(f"{stack}.").partition(".")
    layer, _, kind = inner.rpartition(".")
    return f"{STACKS[stack]}.{number}.{INNER.get(inner) or f'{LAYERS[layer]}.{kind}'}"


def renamed(state: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of a file by diffusers' names, in the shapes wanted. Raises KeyError for one that it lacks.

    Files may hold the tables of the modulation flat, and tensors that no program reads.
    """
    return {name: state[original_name(name)].reshape(tensor.shape) for name, tensor in wanted.items()}


def config_of(state: Mapping[str, Tensor]) -> dict[str, Any]:
    """The transformer's configuration, read off the shapes of a file's tensors. Raises KeyError."""
    attention, text = "blocks.0.attn.", "txtfusion.refiner_blocks.0."
    each = state[f"{attention}qknorm.qnorm.scale"].shape[0]
    inside = state[f"{text}attn.qknorm.qnorm.scale"].shape[0]
    return {
        "in_channels": state["first.weight"].shape[1],
        "num_layers": block_count(state, "blocks"),
        "attention_head_dim": each,
        "num_attention_heads": state[f"{attention}wq.weight"].shape[0] // each,
        "num_key_value_heads": state[f"{attention}wk.weight"].shape[0] // each,
        "intermediate_size": state["blocks.0.mlp.gate.weight"].shape[0],
        "timestep_embed_dim": state["tmlp.0.weight"].shape[1],
        "text_hidden_dim": state["txtmlp.1.weight"].shape[1],
        "num_text_layers": state["txtfusion.projector.weight"].shape[1],
        "text_num_attention_heads": state[f"{text}attn.wq.weight"].shape[0] // inside,
        "text_num_key_value_heads": state[f"{text}attn.wk.weight"].shape[0] // inside,
        "text_intermediate_size": state[f"{text}mlp.gate.weight"].shape[0],
        "num_layerwise_text_blocks": block_count(state, "txtfusion.layerwise_blocks"),
        "num_refiner_text_blocks": block_count(state, "txtfusion.refiner_blocks"),
        "axes_dims_rope": (each // 4, each * 3 // 8, each * 3 // 8),
    }


def outline(config: Mapping[str, Any]) -> Skeleton:
    """The transformer without values."""
    made = Skeleton(config)
    each, heads = int(config["attention_head_dim"]), int(config["num_attention_heads"])
    width, text = each * heads, int(config["text_hidden_dim"])
    text_heads, text_kv = int(config["text_num_attention_heads"]), int(config["text_num_key_value_heads"])
    made.linear("img_in", int(config["in_channels"]), width)
    made.linear("time_embed.linear_1", int(config["timestep_embed_dim"]), width)
    made.linear("time_embed.linear_2", width, width)
    made.linear("time_mod_proj", width, 6 * width)
    for stack, count in (("layerwise", "num_layerwise_text_blocks"), ("refiner", "num_refiner_text_blocks")):
        for n in range(int(config[count])):
            path = f"text_fusion.{stack}_blocks.{n}"
            _block(made, path, text, text_heads, text_kv, int(config["text_intermediate_size"]))
    made.linear("text_fusion.projector", int(config["num_text_layers"]), 1, False)
    made.rms("txt_in.norm", text)
    made.linear("txt_in.linear_1", text, width)
    made.linear("txt_in.linear_2", width, width)
    for n in range(int(config["num_layers"])):
        path = f"transformer_blocks.{n}"
        made.parameter(f"{path}.scale_shift_table", 6, width)
        _block(made, path, width, heads, int(config["num_key_value_heads"]), int(config["intermediate_size"]))
    made.parameter("final_layer.scale_shift_table", 2, width)
    made.rms("final_layer.norm", width)
    made.linear("final_layer.linear", width, int(config["in_channels"]))
    return made


def _block(made: Skeleton, block: str, width: int, heads: int, kv_heads: int, wide: int) -> None:
    each = width // heads
    for what, out in (("to_q", width), ("to_k", kv_heads * each), ("to_v", kv_heads * each)):
        made.linear(f"{block}.attn.{what}", width, out, False)
    for what in ("to_gate", "to_out.0"):
        made.linear(f"{block}.attn.{what}", width, width, False)
    for what, into, out in (("gate", width, wide), ("up", width, wide), ("down", wide, width)):
        made.linear(f"{block}.ff.{what}", into, out, False)
    for norm, size in (("attn.norm_q", each), ("attn.norm_k", each), ("norm1", width), ("norm2", width)):
        made.rms(f"{block}.{norm}", size)
