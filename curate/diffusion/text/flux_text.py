"""Captions for FLUX.1: T5's states, padded to a fixed length without a mask, and what CLIP makes of the whole."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import torch
from torch import nn
from typing_extensions import override

from curate.diffusion.locate import CLIP_FILES
from curate.diffusion.text import clip_file, t5_text
from curate.diffusion.text.caption_encoder import CaptionEncoder, TextStates, read_tokenizer
from curate.diffusion.text.text_encoder import load_folder


class FluxText(CaptionEncoder):
    """CLIP reads the first 77 tokens, T5 the first 512."""

    limit: ClassVar[int] = 512
    clip_limit: ClassVar[int] = 77

    def __init__(self, encoder: Path, tokenizers: Path, digest: str) -> None:
        """`encoder` is CLIP's folder beside T5's, text_encoder_2; or a file of T5, with CLIP's beside it."""
        in_folder = encoder.is_dir()
        t5 = encoder.with_name("text_encoder_2") if in_folder else encoder
        [clip] = [encoder] if in_folder else clip_file.beside(encoder, CLIP_FILES[:1], "FLUX.1")
        super().__init__(lambda dtype: _load(clip, t5, dtype), digest)
        self.clip = read_tokenizer("CLIPTokenizer", tokenizers / "tokenizer")
        self.t5 = read_tokenizer("T5TokenizerFast", tokenizers / "tokenizer_2")

    @override
    def count(self, caption: str) -> int:
        return len(self.t5(caption, verbose=False)["input_ids"])

    @override
    def states(self, model: nn.Module, caption: str, device: torch.device) -> TextStates:
        given = {"padding": "max_length", "truncation": True, "return_tensors": "pt"}
        words = self.t5(caption, max_length=self.limit, **given)["input_ids"].to(device)
        first = self.clip(caption, max_length=self.clip_limit, **given)["input_ids"].to(device)
        t5, clip = model.get_submodule("t5"), model.get_submodule("clip")
        return {"states": t5(input_ids=words).last_hidden_state[0], "pooled": clip(input_ids=first).pooler_output[0]}


def _load(clip: Path, t5: Path, dtype: torch.dtype) -> nn.Module:
    return nn.ModuleDict({"clip": _clip(clip, dtype), "t5": t5_text.load(t5, dtype)})


def _clip(place: Path, dtype: torch.dtype) -> nn.Module:
    from transformers import CLIPTextModel

    return load_folder(CLIPTextModel, place, dtype, "CLIP") if place.is_dir() else clip_file.load(place, dtype)
