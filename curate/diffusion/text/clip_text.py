"""Captions to CLIP's hidden states: chunks of 75 tokens, clip skip, pooled output."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

WINDOW = 77


@dataclass
class ClipText:
    """One CLIP text encoder with its tokenizer.

    tokenizer   transformers' CLIPTokenizer (or one that behaves like it)
    max_tokens  75, 150 or 225: longer captions are cut in chunks that are encoded alone
    layer       which hidden state is used: 0 the last with the final norm, n > 0 the n-th before the end
    norm        whether the final norm is applied to an earlier hidden state (SD 1.x does, SDXL does not)
    pad         id that fills a chunk
    """

    model: nn.Module
    tokenizer: Any
    max_tokens: int = 75
    layer: int = 0
    norm: bool = True
    pad: int | None = None

    @property
    def begin(self) -> int:
        """Id of the start token."""
        return int(self.tokenizer.bos_token_id)

    @property
    def end(self) -> int:
        """Id of the end token."""
        return int(self.tokenizer.eos_token_id)

    def words(self, caption: str) -> list[int]:
        """All token ids of a caption without start and end, however many there are."""
        found = self.tokenizer(caption, add_special_tokens=False, truncation=False, verbose=False)
        return [int(i) for i in found["input_ids"]]

    def tokens(self, caption: str) -> Tensor:
        """Ids [chunks, 77] of a caption; see `chunks`."""
        return self.chunks(self.words(caption))

    def chunks(self, words: Sequence[int]) -> Tensor:
        """Ids [chunks, 77] of words: start, 75 tokens, end; what is longer than `max_tokens` is cut off.

        As the peers do, the end token follows the last word and the rest is padding; a chunk that words fill ends
        in the end token.
        """
        pad = self.end if self.pad is None else self.pad
        inner = words[: self.max_tokens]
        row = [*inner, self.end]
        row += [pad] * (self.max_tokens + 1 - len(row))
        chunks: list[list[int]] = []
        for at in range(0, self.max_tokens, WINDOW - 2):
            part = row[at : at + WINDOW - 2]
            # an empty chunk still needs the end token that pooling and the model look for
            body = [self.end, *part[1:]] if pad != self.end and part[0] == pad else part
            last = self.end if pad == self.end or body[-1] not in (self.end, pad) else pad
            chunks.append([self.begin, *body, last])
        return torch.tensor(chunks, dtype=torch.long)

    def encode(self, ids: Tensor) -> tuple[Tensor, Tensor]:
        """Hidden states [batch, 2 + 75·chunks, width] and the pooled state [batch, width] of the first chunk.

        `ids` is [batch, chunks, 77]. Pooled is the normed last state at the first end token, before a projection.
        """
        batch, chunks, _ = ids.shape
        wants_states = self.layer > 0
        out = self.model(input_ids=ids.flatten(0, 1), output_hidden_states=wants_states)
        last: Tensor = out.last_hidden_state
        states = last
        if wants_states:
            states = out.hidden_states[-self.layer]
            if self.norm:
                states = self.inner.final_layer_norm(states)  # pyright: ignore[reportCallIssue]
        states = states.unflatten(0, (batch, chunks))
        first_end = (ids[:, 0] == self.end).int().argmax(-1)
        pooled = last.unflatten(0, (batch, chunks))[torch.arange(batch, device=ids.device), 0, first_end]
        if chunks == 1:
            return states[:, 0], pooled
        middle = states[:, :, 1:-1].flatten(1, 2)
        return torch.cat([states[:, 0, :1], middle, states[:, -1, -1:]], dim=1), pooled

    @property
    def inner(self) -> nn.Module:
        """The module that holds the encoder and the final norm, with and without the `text_model` level."""
        return getattr(self.model, "text_model", self.model)
