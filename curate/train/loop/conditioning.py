"""What the UNet is told of captions; encoded once where neither the captions nor the text encoders change."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import repeat

import torch
from torch import Tensor

from curate.diffusion.base import Conditions
from curate.diffusion.text.caption_encoder import TextStates
from curate.train.data import captions
from curate.train.data.job import Job
from curate.train.runtime import memory
from curate.train.storage.text_store import TextStore

HELD_BYTES = 2 << 30
"""Of encodings that come from disk and are held in memory."""
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


def conditioner_of(job: Job, trains_text: bool, device: torch.device) -> Conditioner | StoredConditioner:
    """What a run takes its conditions from."""
    return Conditioner(job, trains_text) if job.texts is None else StoredConditioner(job, job.texts, device)


class StoredConditioner:
    """Conditions of captions that were encoded before training; the text encoders never train."""

    trains_text = False

    def __init__(self, job: Job, store: TextStore, device: torch.device) -> None:
        self.job, self.store, self.device = job, store, device
        self.held: dict[str, TextStates] = {}
        self.bytes = 0

    def of(self, shown: Sequence[str], tokens: Sequence[Tensor], sizes: Tensor) -> Conditions:
        """Conditions of captions [batch], on the device."""
        states = [self.states(caption) for caption in shown]
        sent = [{name: tensor.to(self.device) for name, tensor in one.items()} for one in states]
        return self.job.backbone.collate(sent)

    def states(self, caption: str) -> TextStates:
        """What was kept of a caption, read once as long as memory is left for it."""
        if caption not in self.held:
            found = self.store.read(caption)
            size = sum(tensor.nbytes for tensor in found.values())
            if self.bytes + size > HELD_BYTES:
                return found
            self.held[caption] = found
            self.bytes += size
        return self.held[caption]


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
