"""The loss of pictures that are never trained, at the same noise and timesteps each time, so that losses compare."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from curate.train.data import captions, masks
from curate.train.data.latents import Entry
from curate.train.loop.batch import Batch, Batches, sizes_of
from curate.train.runtime.seeds import derive_seed

TIMESTEPS = 4
"""Timesteps that each picture is measured at, in the middle of equal parts of those trained."""


class Validation:
    """Measures the mean loss, without weights by timestep, so that runs that weigh otherwise compare."""

    def __init__(self, batches: Batches, losses: Callable[[Batch], Tensor]) -> None:
        """`losses` gives the loss of each sample of a batch."""
        self.batches, self.losses = batches, losses
        self.times = batches.schedule.spread(TIMESTEPS)

    def measure(self, stopping: Callable[[], bool] = lambda: False) -> float | None:
        """The mean over all held-out pictures and timesteps; None where `stopping`, asked between pictures, said so."""
        losses: list[Tensor] = []
        for entry in self.batches.job.held:
            if stopping():
                return None
            losses.append(self.losses(self.batch(entry)).mean())
        return float(torch.stack(losses).mean())

    def batch(self, entry: Entry) -> Batch:
        """One picture at all timesteps."""
        batches, job = self.batches, self.batches.job
        caption = captions.first(entry.picture, job.options).strip()
        latent = entry.load()[0].expand(TIMESTEPS, -1, -1, -1)
        draw = torch.Generator().manual_seed(derive_seed(job.options.seed, "validation", entry.picture.digest))
        noise = torch.randn(latent.shape, generator=draw)
        tokens = job.backbone.tokens(caption)
        mask = None
        if entry.picture.mask:
            one = masks.weights(entry.picture, entry.fit, False, job.backbone.family.factor)
            mask = one.expand(TIMESTEPS, -1, -1, -1)
        return Batch(
            noisy=batches.send(batches.schedule.noisy(latent, noise, self.times)),
            target=batches.send(batches.schedule.target(latent, noise, self.times)),
            timesteps=batches.send(self.times),
            weights=batches.send(torch.ones(TIMESTEPS)),
            thresholds=None
            if batches.distance.kind == "l2"
            else batches.send(batches.schedule.threshold(batches.distance, self.times)),
            tokens=[batches.send(torch.stack([ids] * TIMESTEPS)) for ids in tokens],
            captions=[caption] * TIMESTEPS,
            sizes=batches.send(torch.tensor([sizes_of(entry, False)] * TIMESTEPS, dtype=torch.float32)),
            mask=None if mask is None else batches.send(mask.contiguous()),
        )
