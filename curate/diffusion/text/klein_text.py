"""Captions for FLUX.2 klein: three layers of Qwen3, of a message that is padded to a fixed length."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import nn
from typing_extensions import override

from curate.diffusion.text import qwen3_text
from curate.diffusion.text.caption_encoder import TextStates

STATES = (9, 18, 27)
"""Layers of Qwen3 whose states go side by side."""


class KleinText(qwen3_text.Qwen3Message):
    """The caption as a message to Qwen3, which does not think; padded to a fixed length, padding counts."""

    limit: ClassVar[int] = 512
    thinking: ClassVar[bool] = False

    @override
    def states(self, model: nn.Module, caption: str, device: torch.device) -> TextStates:
        given = {"truncation": True, "max_length": self.limit, "padding": "max_length", "return_tensors": "pt"}
        read = self.qwen(self.message(caption), **given)
        ids, mask = (read[name].to(device) for name in ("input_ids", "attention_mask"))
        found = model(input_ids=ids, attention_mask=mask, output_hidden_states=True).hidden_states
        return {"states": torch.cat([found[n][0] for n in STATES], dim=-1)}
