"""Stable Diffusion 3's captions: states of two CLIP encoders side by side, and those of T5 behind them."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional
from typing_extensions import override

from curate.core.digests import text_digest
from curate.diffusion.library_logging import quiet
from curate.diffusion.locate import files_digest
from curate.diffusion.text.caption_encoder import CaptionEncoder, TextStates, read_tokenizer
from curate.errors import InputError

FOLDERS = ("text_encoder", "text_encoder_2", "text_encoder_3")
TOKENIZERS = {"tokenizer": "CLIPTokenizer", "tokenizer_2": "CLIPTokenizer", "tokenizer_3": "T5TokenizerFast"}
"""Folders of tokenizers and their classes."""


class SD3Text(CaptionEncoder):
    """77 tokens of both CLIPs and 256 of T5; padding is read as well, as it was when the network was trained."""

    limit: ClassVar[int] = 256

    def __init__(self, encoder: Path, tokenizers: Path, digest: str) -> None:
        places = [encoder.parent / folder for folder in FOLDERS]
        if not all((place / "config.json").is_file() for place in places):
            raise InputError(
                f"{encoder.parent} does not hold the three text encoders of Stable Diffusion 3",
                "give as text_encoder the folder of such a model in diffusers' layout, which holds them",
            )
        whole = files_digest(path for place in places[1:] for path in place.glob("*"))
        super().__init__(lambda dtype: _load(places, dtype), text_digest(digest, whole))
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


def _load(places: list[Path], dtype: torch.dtype) -> nn.Module:
    from transformers import CLIPTextModelWithProjection, T5EncoderModel

    kinds: tuple[Any, ...] = (CLIPTextModelWithProjection, CLIPTextModelWithProjection, T5EncoderModel)
    try:
        with quiet():
            made = [
                kind.from_pretrained(place, dtype=dtype, local_files_only=True)
                for kind, place in zip(kinds, places, strict=True)
            ]
    except (OSError, ValueError, RuntimeError) as error:
        said = str(error).partition("\n")[0][:300]
        raise InputError(
            f"{places[0].parent} does not hold the text encoders of SD 3.5: {said}", "fetch them again"
        ) from error
    return nn.ModuleList(made).requires_grad_(False).eval()
