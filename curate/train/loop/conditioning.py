"""What the UNet is told of captions; encoded once where neither the captions nor the text encoders change."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import repeat

import torch
from torch import Tensor

from curate.diffusion.base import Conditions
from curate.train.data import captions
from curate.train.data.job import Job
from curate.train.runtime import memory

HELD_CAPTIONS = 2_000
"""Captions whose encodings are held on the device: at SDXL's size about 0.3 MB each in half precision."""

Ids = tuple[Tensor, ...]
"""A caption's token ids [chunks, 77], per text encoder."""
Encoded = tuple[Tensor, Tensor | None]
"""A caption's hidden states, and SDXL's pooled ones."""


def _fits(job: Job) -> bool:
    """Whether all captions that pictures can have are few enough to be held."""
    every: set[str] = set()
    for entry in job.entries:
        possible = captions.possible(entry.picture, job.options)
        if possible is None:
            return False
        every.update(possible)
    return len(every) <= HELD_CAPTIONS


class Conditioner:
    """Encodes captions.

    trains_text   whether the text encoders change while training: gradients flow, and nothing is held
    """

    def __init__(self, job: Job, trains_text: bool) -> None:
        self.job, self.trains_text = job, trains_text
        self.holds = captions.is_fixed(job.options) and _fits(job)
        self.encoded: dict[str, Encoded] = {}
        self.portions = memory.Portions(job.options.batch)

    def of(self, shown: Sequence[str], tokens: Sequence[Tensor], sizes: Tensor) -> Conditions:
        """Conditions of captions [batch] with their token ids and, for SDXL, sizes."""
        if self.trains_text:
            return self.job.backbone.condition(tokens, sizes)
        rows = list(zip(*tokens, strict=True))
        with torch.no_grad(), memory.memory_errors(self.job.options, "encoding captions"):
            found = self._held(shown, rows) if self.holds else list(self.portions.of(rows, self._encode))
        pooled = [p for _, p in found if p is not None]
        return Conditions(torch.stack([c for c, _ in found]), torch.stack(pooled) if pooled else None, sizes)

    def _held(self, shown: Sequence[str], rows: Sequence[Ids]) -> list[Encoded]:
        for caption, ids in zip(shown, rows, strict=True):
            if caption not in self.encoded:
                (self.encoded[caption],) = self._encode([ids])
        return [self.encoded[caption] for caption in shown]

    def _encode(self, rows: Sequence[Ids]) -> Iterator[Encoded]:
        found = self.job.backbone.condition([torch.stack(ids) for ids in zip(*rows, strict=True)], None)
        yield from zip(found.context, found.pooled if found.pooled is not None else repeat(None), strict=False)
