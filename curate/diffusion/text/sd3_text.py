"""Stable Diffusion 3's captions: states of two CLIP encoders side by side, and those of T5 behind them."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional
from typing_extensions import override

from curate.core.digests import text_digest
from curate.diffusion.locate import CLIP_FILES, files_digest
from curate.diffusion.text import clip_file, t5_text
from curate.diffusion.text.caption_encoder import CaptionEncoder, TextStates, read_tokenizer
from curate.diffusion.text.text_encoder import load_folder
from curate.errors import InputError

FOLDERS = ("text_encoder", "text_encoder_2", "text_encoder_3")
TOKENIZERS = {"tokenizer": "CLIPTokenizer", "tokenizer_2": "CLIPTokenizer", "tokenizer_3": "T5TokenizerFast"}
"""Folders of tokenizers and their classes."""
ACTS = ("quick_gelu", "gelu")
"""What both CLIPs have between their layers, which their files do not say."""


class SD3Text(CaptionEncoder):
    """77 tokens of both CLIPs and 256 of T5; padding is read as well, as it was when the network was trained."""

    limit: ClassVar[int] = 256

    def __init__(self, encoder: Path, tokenizers: Path, digest: str) -> None:
        """`encoder` is the first CLIP's folder beside the others'; or T5's file, with those of both CLIPs beside it."""
        if encoder.is_dir():
            places = _folders(encoder.parent)
            digest = text_digest(digest, files_digest(path for place in places[1:] for path in place.glob("*")))
        else:
            places = [*clip_file.beside(encoder, CLIP_FILES, "SD 3.5"), encoder]
        super().__init__(lambda dtype: _load(places, dtype), digest)
        self.words = [read_tokenizer(kind, tokenizers / folder) for folder, kind in TOKENIZERS.items()]

    @override
    def count(self, caption: str) -> int:
        return len(self.words[2](caption, verbose=False)["input_ids"])

    @override
    def states(self, model: nn.Module, caption: str, device: torch.device) -> TextStates:
        models: list[Any] = list(model.children())
        read: list[Tensor] = []
        for words, longest in zip(self.words, (None, None, self.limit), strict=True):
            given = {"padding": "max_length", "truncation": True, "max_length": longest or words.model_max_length}
            read.append(words(caption, **given, return_tensors="pt")["input_ids"].to(device))
        clips = [models[n](read[n], output_hidden_states=True) for n in (0, 1)]
        seen: Tensor = torch.cat([out.hidden_states[-2] for out in clips], dim=-1)
        told: Tensor = models[2](read[2])[0]
        states = torch.cat([functional.pad(seen, (0, told.shape[-1] - seen.shape[-1])), told], dim=1)
        return {"states": states[0], "pooled": torch.cat([out[0] for out in clips], dim=-1)[0]}


def _folders(holder: Path) -> list[Path]:
    places = [holder / folder for folder in FOLDERS]
    if not all((place / "config.json").is_file() for place in places):
        raise InputError(
            f"{holder} does not hold the three text encoders of Stable Diffusion 3",
            "give as text_encoder the folder of such a model in diffusers' layout, or T5's file with "
            f"{' and '.join(CLIP_FILES)} beside it",
        )
    return places


def _load(places: list[Path], dtype: torch.dtype) -> nn.Module:
    from transformers import CLIPTextModelWithProjection

    *clip_places, t5_place = places
    if t5_place.is_file():
        clips = [clip_file.load(p, dtype, projected=True, act=a) for p, a in zip(clip_places, ACTS, strict=True)]
    else:
        clips = [load_folder(CLIPTextModelWithProjection, place, dtype, "CLIP") for place in clip_places]
    return nn.ModuleList([*clips, t5_text.load(t5_place, dtype)])
