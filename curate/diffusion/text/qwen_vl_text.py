"""The language model of a Qwen-VL text encoder, from a folder or one file; the part that sees pictures is not read."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from curate.adapters.tensor_file import TensorFile
from curate.diffusion.checkpoint_file import filled
from curate.diffusion.folder_check import check_part
from curate.diffusion.networks.blocks import block_count
from curate.diffusion.text.text_encoder import SCALE, check_form, reading

Kind = Literal["Qwen2.5-VL", "Qwen3-VL"]
CLASSES: Mapping[Kind, str] = {"Qwen2.5-VL": "Qwen2_5_VL", "Qwen3-VL": "Qwen3VL"}
"""How the names of transformers' classes begin."""
MODEL_TYPES: Mapping[Kind, str] = {"Qwen2.5-VL": "qwen2_5_vl", "Qwen3-VL": "qwen3_vl"}
TURNS: Mapping[Kind, float] = {"Qwen2.5-VL": 1e6, "Qwen3-VL": 5e6}
"""θ of the positions, which no file tells."""
HEAD = 128
"""Width of a head where a file does not tell it: that of every published model."""
WRAPPERS = ("model.language_model.", "language_model.model.", "language_model.", "model.")
"""What stands before the language model's names; newer ones have a level more."""
OTHER = re.compile(r"(model\.)?(visual|lm_head)\.|scaled_fp8$|.*\.scale_input$")
"""Keys of what a text encoder has no use for."""


def load(place: Path, dtype: torch.dtype, kind: Kind) -> nn.Module:
    """The language model without its head, frozen. Raises InputError for what is none of that kind."""
    import transformers

    theirs: Any = transformers
    if place.is_dir():
        check_part(place, MODEL_TYPES[kind], "this base")
    files = sorted(place.glob("*.safetensors")) if place.is_dir() else [place]
    opened = [TensorFile.open(file) for file in files]
    for file in opened:
        check_form(place, file.entries)
    with reading(place, kind):
        tensors = dict(pair for file in opened for pair in _tensors(file, dtype))
        if place.is_dir():
            whole = getattr(theirs, f"{CLASSES[kind]}Config").from_pretrained(place, local_files_only=True)
            config = whole.get_text_config()
        else:
            config = getattr(theirs, f"{CLASSES[kind]}TextConfig")(**_config_of(tensors, kind))
        with torch.device("meta"):
            made = getattr(theirs, f"{CLASSES[kind]}TextModel")(config)
        full: Any = filled(made, tensors, dtype)
    full.rotary_emb = type(made.rotary_emb)(config)  # what it turns positions by is in no file
    return full.requires_grad_(False).eval()


def _tensors(file: TensorFile, dtype: torch.dtype) -> Iterator[tuple[str, Tensor]]:
    """The language model's tensors by its own names; those stored in 8 bits with a scale are made whole."""
    for key in file.entries:
        if OTHER.match(key) or key.endswith(SCALE):
            continue
        tensor, scale = file.read(key), f"{key.removesuffix('.weight')}{SCALE}"
        if scale in file.entries:
            tensor = (tensor.float() * file.read(scale).float()).to(dtype)
        wrapper = next((one for one in WRAPPERS if key.startswith(one)), "")
        yield key.removeprefix(wrapper), tensor


def _config_of(tensors: Mapping[str, Tensor], kind: Kind) -> dict[str, Any]:
    """The configuration that the shapes of a file's tensors tell. Raises KeyError."""
    vocabulary, width = tensors["embed_tokens.weight"].shape
    attention = "layers.0.self_attn."
    norm = tensors.get(f"{attention}q_norm.weight")
    if (norm is None) != (kind == "Qwen2.5-VL"):
        raise ValueError("it is another generation of Qwen")
    each = HEAD if norm is None else norm.shape[0]
    own = {} if norm is None else {"head_dim": each}
    return {
        **own,
        "vocab_size": vocabulary,
        "hidden_size": width,
        "intermediate_size": tensors["layers.0.mlp.gate_proj.weight"].shape[0],
        "num_hidden_layers": block_count(tensors, "layers"),
        "num_attention_heads": tensors[f"{attention}q_proj.weight"].shape[0] // each,
        "num_key_value_heads": tensors[f"{attention}k_proj.weight"].shape[0] // each,
        "rms_norm_eps": 1e-6,
        "max_position_embeddings": 128_000,
        # the three parts are for pictures: a caption's positions are the same in all of them
        "rope_parameters": {
            "rope_type": "default",
            "rope_theta": TURNS[kind],
            "mrope_section": [each // 2 - 2 * (each * 3 // 16), each * 3 // 16, each * 3 // 16],
        },
    }
