"""Qwen3 as a text encoder: from a folder, or from one file whose shapes tell its configuration."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor, nn
from typing_extensions import override

from curate.adapters.tensor_file import TensorFile
from curate.diffusion.checkpoint_file import filled
from curate.diffusion.detect import read_json
from curate.diffusion.networks.blocks import block_count
from curate.diffusion.text.caption_encoder import CaptionEncoder, read_tokenizer
from curate.diffusion.text.text_encoder import load_encoder
from curate.errors import InputError


class Qwen3Message(CaptionEncoder):
    """The caption as a message to Qwen3, which may think or not; what is kept of its states, families say."""

    thinking: ClassVar[bool]

    def __init__(self, encoder: Path, tokenizers: Path, digest: str) -> None:
        super().__init__(lambda dtype: load(encoder, dtype), digest)
        self.qwen = read_tokenizer("Qwen2Tokenizer", tokenizers / "tokenizer")

    @override
    def count(self, caption: str) -> int:
        return len(self.qwen(self.message(caption), verbose=False)["input_ids"])

    def message(self, caption: str) -> str:
        """What a user says in a chat, up to where the answer begins."""
        said = [{"role": "user", "content": caption}]
        given = {"tokenize": False, "add_generation_prompt": True, "enable_thinking": self.thinking}
        try:
            return str(self.qwen.apply_chat_template(said, **given))
        except ValueError as error:
            raise InputError(
                f"{self.qwen.name_or_path} has no chat template", "give the tokenizer's folder as the model has it"
            ) from error


def load(place: Path, dtype: torch.dtype) -> nn.Module:
    """The model without its head, frozen. Raises InputError for what is none."""
    return load_encoder(place, dtype, "Qwen3", "Qwen3Model", _of_file)


def width(place: Path) -> int:
    """Numbers in a state of the encoder in a file, or in the folder of a configuration, read without its weights."""
    if place.suffix == ".safetensors":
        entries = TensorFile.open(place).entries.items()
        return next((entry.shape[1] for key, entry in entries if key.endswith("embed_tokens.weight")), 0)
    folder = place if place.is_dir() else place.parent
    return int(read_json(folder / "config.json").get("hidden_size", 0))


def _of_file(state: Mapping[str, Tensor], dtype: torch.dtype) -> nn.Module:
    from transformers import Qwen3Config, Qwen3Model

    tensors = {k.removeprefix("model."): t for k, t in state.items() if not k.startswith("lm_head.")}
    vocabulary, width = tensors["embed_tokens.weight"].shape
    first = "layers.0.self_attn."
    each = tensors[f"{first}q_norm.weight"].shape[0]
    config = Qwen3Config(
        vocab_size=vocabulary,
        hidden_size=width,
        intermediate_size=tensors["layers.0.mlp.gate_proj.weight"].shape[0],
        num_hidden_layers=block_count(tensors, "layers"),
        num_attention_heads=tensors[f"{first}q_proj.weight"].shape[0] // each,
        num_key_value_heads=tensors[f"{first}k_proj.weight"].shape[0] // each,
        head_dim=each,
        max_position_embeddings=40960,
        rope_parameters={"rope_type": "default", "rope_theta": 1_000_000.0},
    )
    with torch.device("meta"):
        made = Qwen3Model(config)
    whole = filled(made, tensors, dtype)
    whole.rotary_emb = type(made.rotary_emb)(config)  # what it turns positions by is in no file
    return whole
