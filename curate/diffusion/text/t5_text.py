"""T5's encoder: from a folder, or from one file whose shapes tell its configuration."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from curate.diffusion.checkpoint_file import filled
from curate.diffusion.networks.blocks import block_count
from curate.diffusion.text.text_encoder import load_encoder

SHARED = "shared.weight"


def load(place: Path, dtype: torch.dtype) -> nn.Module:
    """The encoder, frozen. Raises InputError for what is none."""
    return load_encoder(place, dtype, "T5", "T5EncoderModel", _of_file, "give t5xxl_fp16.safetensors")


def _of_file(state: Mapping[str, Tensor], dtype: torch.dtype) -> nn.Module:
    from transformers import T5Config, T5EncoderModel

    first = "encoder.block.0.layer."
    vocabulary, width = state[SHARED].shape
    buckets, heads = state[f"{first}0.SelfAttention.relative_attention_bias.weight"].shape
    config = T5Config(
        vocab_size=vocabulary,
        d_model=width,
        d_kv=state[f"{first}0.SelfAttention.q.weight"].shape[0] // heads,
        d_ff=state[f"{first}1.DenseReluDense.wi_0.weight"].shape[0],
        num_layers=block_count(state, "encoder.block"),
        num_heads=heads,
        relative_attention_num_buckets=buckets,
        feed_forward_proj="gated-gelu",
    )
    with torch.device("meta"):
        made = T5EncoderModel(config)
    table = "encoder.embed_tokens.weight"  # the same as `shared`, and left out of some files
    wanted = {**state, table: state.get(table, state[SHARED])}
    return filled(made, {key: wanted[key] for key in made.state_dict()}, dtype)
