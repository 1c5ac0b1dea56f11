"""Gemma 2 as a text encoder: from a folder, or from one file whose shapes tell its configuration."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from curate.diffusion.checkpoint_file import filled
from curate.diffusion.networks.blocks import block_count
from curate.diffusion.text.text_encoder import load_encoder

HEAD = 256
"""Width of a head, which no file tells: that of every published model with these layers."""
TENSOR = re.compile(r"(?:model\.)?((?:embed_tokens|layers|norm)\..+)")
"""Names of what encodes; files for ComfyUI hold the tokenizer beside it."""


def load(place: Path, dtype: torch.dtype) -> nn.Module:
    """The model without its head, frozen. Raises InputError for what is none."""
    return load_encoder(place, dtype, "Gemma 2", "Gemma2Model", _of_file)


def _of_file(state: Mapping[str, Tensor], dtype: torch.dtype) -> nn.Module:
    from transformers import Gemma2Config, Gemma2Model

    tensors = {found[1]: tensor for name, tensor in state.items() if (found := TENSOR.fullmatch(name))}
    vocabulary, width = tensors["embed_tokens.weight"].shape
    config = Gemma2Config(
        vocab_size=vocabulary,
        hidden_size=width,
        intermediate_size=tensors["layers.0.mlp.gate_proj.weight"].shape[0],
        num_hidden_layers=block_count(tensors, "layers"),
        num_attention_heads=tensors["layers.0.self_attn.q_proj.weight"].shape[0] // HEAD,
        num_key_value_heads=tensors["layers.0.self_attn.k_proj.weight"].shape[0] // HEAD,
        head_dim=HEAD,
    )
    with torch.device("meta"):
        made = Gemma2Model(config)
    whole: Any = filled(made, tensors, dtype)
    whole.rotary_emb = type(made.rotary_emb)(config)  # this and the scale are in no file
    whole.embed_tokens.embed_scale = torch.tensor(width**0.5)
    return whole
