"""Anima's captions: Qwen3's last states, and T5's token ids, by which the conditioner reads them."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor, nn
from typing_extensions import override

from curate.diffusion.text import qwen3_text
from curate.diffusion.text.caption_encoder import CaptionEncoder, TextStates, read_tokenizer


class AnimaText(CaptionEncoder):
    """The caption as it is, without a template: Qwen3's last states, and T5's ids, which T5 itself never reads."""

    limit: ClassVar[int] = 512

    def __init__(self, encoder: Path, tokenizers: Path, digest: str) -> None:
        super().__init__(lambda dtype: qwen3_text.load(encoder, dtype), digest)
        self.qwen = read_tokenizer("Qwen2Tokenizer", tokenizers / "tokenizer")
        self.t5 = read_tokenizer("T5TokenizerFast", tokenizers / "t5_tokenizer")

    @override
    def count(self, caption: str) -> int:
        return max(len(words(caption, verbose=False)["input_ids"]) for words in (self.qwen, self.t5))

    @override
    def states(self, model: nn.Module, caption: str, device: torch.device) -> TextStates:
        cut = {"truncation": True, "max_length": self.limit}
        ids = torch.tensor(self.qwen(caption, **cut)["input_ids"], dtype=torch.long, device=device)
        read = torch.tensor(self.t5(caption, **cut)["input_ids"], dtype=torch.long)
        # no token stands for an empty caption: one that is masked, and nothing of it is kept
        given = ids[None] if len(ids) else ids.new_zeros(1, 1)
        states: Tensor = model(input_ids=given).last_hidden_state[0, : len(ids)]
        return {"states": states, "t5": read}
