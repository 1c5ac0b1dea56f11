"""What the UNet is told of captions; encoded once where neither the captions nor the text encoders change."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from curate.train import captions
from curate.train.backbones import Conditions
from curate.train.prepare import Job

HELD_CAPTIONS = 2_000
"""Captions whose encodings are held on the device: at SDXL's size about 0.3 MB each in half precision."""


class Conditioner:
    """Encodes captions.

    trains_text   whether the text encoders change while training: gradients flow, and nothing is held
    """

    def __init__(self, job: Job, trains_text: bool) -> None:
        self.job, self.trains_text = job, trains_text
        held = {e.picture.caption for e in job.entries}
        self.holds = captions.is_fixed(job.options) and len(held) <= HELD_CAPTIONS
        self.encoded: dict[str, tuple[Tensor, Tensor | None]] = {}

    def of(self, shown: Sequence[str], tokens: Sequence[Tensor], sizes: Tensor) -> Conditions:
        """Conditions of captions [batch] with their token ids and, for SDXL, sizes."""
        if self.trains_text:
            return self.job.backbone.condition(tokens, sizes)
        with torch.no_grad():
            if not self.holds:
                return self.job.backbone.condition(tokens, sizes)
            for caption, ids in zip(shown, zip(*tokens, strict=True), strict=True):
                if caption not in self.encoded:
                    found = self.job.backbone.condition([one[None] for one in ids], None)
                    self.encoded[caption] = (found.context[0], None if found.pooled is None else found.pooled[0])
        held = [self.encoded[caption] for caption in shown]
        pooled = [p for _, p in held if p is not None]
        return Conditions(torch.stack([c for c, _ in held]), torch.stack(pooled) if pooled else None, sizes)
