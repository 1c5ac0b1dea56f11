"""Anima's conditioner, which reads Qwen3's states by T5's token ids: made of a folder or of a file's tensors."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from curate.diffusion.checkpoint_file import filled
from curate.diffusion.diffusers_class import diffusers_class
from curate.diffusion.layer_tables import Blocks
from curate.diffusion.library_logging import quiet
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
BLOCK: Blocks = {
    **{
        f"{a}.{w}_proj": (f"{a}.{w}_proj", "text-attn")
        for a in ("self_attn", "cross_attn")
        for w in ("q", "k", "v", "o")
    },
    "mlp.0": ("mlp.0", "text-mlp"),
    "mlp.2": ("mlp.2", "text-mlp"),
}


def of_folder(place: Path, dtype: torch.dtype) -> nn.Module:
    """The conditioner of a folder of diffusers. Raises what diffusers raises."""
    return diffusers_class("AnimaTextConditioner").from_pretrained(place, torch_dtype=dtype, local_files_only=True)


def of_state(state: Mapping[str, Tensor], dtype: torch.dtype) -> nn.Module:
    """The conditioner of a file's tensors. Raises KeyError and InputError for one that is not whole."""
    with torch.device("meta"), quiet():
        made = diffusers_class("AnimaTextConditioner")(**config_of(state))
    turns = type(made.rotary_emb)(made.config["model_dim"] // made.config["num_attention_heads"])
    made.rotary_emb = turns  # what it turns positions by is in no file
    return filled(made, {key: tensor for key, tensor in state.items() if "rotary_emb" not in key}, dtype)


def write_tiny(place: Path, words: int) -> None:
    """A small one with random weights that knows so many of T5's tokens, as a folder of diffusers."""
    small = {"source_dim": 16, "target_dim": 32, "model_dim": 32, "num_layers": 1, "num_attention_heads": 2}
    with quiet():
        made = diffusers_class("AnimaTextConditioner")(
            **small, mlp_ratio=2.0, target_vocab_size=words, min_sequence_length=512
        )
    made.save_pretrained(place)


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
