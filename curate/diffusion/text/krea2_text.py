"""Krea 2's captions: pictures to describe, read by many layers of Qwen3-VL."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import torch
from torch import nn
from typing_extensions import override

from curate.core.digests import text_digest
from curate.diffusion.detect import index_of
from curate.diffusion.text import describe, qwen_vl_text
from curate.diffusion.text.caption_encoder import CaptionEncoder, TextStates, read_tokenizer

ENDING = 5
"""Tokens behind the caption."""
LAYERS_READ = tuple(range(2, 36, 3))
"""States of Qwen3-VL that the network takes, by their numbers among all; 0 is what the first layer reads."""


class Krea2Text(CaptionEncoder):
    """The caption as a picture to describe; the states of many layers of Qwen3-VL side by side."""

    limit: ClassVar[int] = 512

    def __init__(self, encoder: Path, tokenizers: Path, digest: str) -> None:
        told = index_of(tokenizers).get("text_encoder_select_layers")
        self.layers = LAYERS_READ if told is None else tuple(int(n) for n in told)
        own = digest if self.layers == LAYERS_READ else text_digest(digest, *map(str, self.layers))
        super().__init__(lambda dtype: qwen_vl_text.load(encoder, dtype, "Qwen3-VL"), own)
        self.qwen = read_tokenizer("Qwen2Tokenizer", tokenizers / "tokenizer")

    @override
    def count(self, caption: str) -> int:
        read = self.qwen(describe.BEFORE + caption, verbose=False)["input_ids"]
        return len(read) - describe.DROPPED + ENDING

    @override
    def states(self, model: nn.Module, caption: str, device: torch.device) -> TextStates:
        most = self.limit + describe.DROPPED - ENDING
        read = self.qwen(describe.BEFORE + caption, truncation=True, max_length=most)["input_ids"]
        # the network was trained with padding before the ending; masked, and with positions of real tokens alone, it
        # changes nothing
        read = [*read, *self.qwen(describe.AFTER)["input_ids"]]
        ids = torch.tensor(read, dtype=torch.long, device=device)
        every = model(input_ids=ids[None], output_hidden_states=True).hidden_states
        return {"states": torch.stack([every[n][0, describe.DROPPED :] for n in self.layers], dim=1)}
