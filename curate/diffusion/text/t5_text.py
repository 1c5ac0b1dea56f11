"""T5's encoder: from a folder, or from one file whose shapes tell its configuration."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from curate.diffusion.checkpoint_file import filled
from curate.diffusion.folder_check import check_part
from curate.diffusion.library_logging import quiet
from curate.diffusion.text.encoder_file import read_encoder
from curate.errors import InputError, library_reason

SHARED = "shared.weight"


def load(place: Path, dtype: torch.dtype) -> nn.Module:
    """The encoder, frozen. Raises InputError for what is none."""
    from transformers import T5EncoderModel

    if place.is_dir():
        check_part(place, "t5", "this base")
    try:
        with quiet():
            if place.is_dir():
                made: Any = T5EncoderModel.from_pretrained(place, dtype=dtype, local_files_only=True)
            else:
                made = _of_file(read_encoder(place), dtype)
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        said = library_reason(error)
        raise InputError(f"{place} is not a T5 text encoder: {said}", "give t5xxl_fp16.safetensors") from error
    return made.requires_grad_(False).eval()


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
        num_layers=1 + max(int(m[1]) for key in state if (m := re.match(r"encoder\.block\.(\d+)\.", key))),
        num_heads=heads,
        relative_attention_num_buckets=buckets,
        feed_forward_proj="gated-gelu",
    )
    with torch.device("meta"):
        made = T5EncoderModel(config)
    table = "encoder.embed_tokens.weight"  # the same as `shared`, and left out of some files
    wanted = {**state, table: state.get(table, state[SHARED])}
    return filled(made, {key: wanted[key] for key in made.state_dict()}, dtype)
