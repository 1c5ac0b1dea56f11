"""Makes batches: latents, noise, timesteps, captions and weights of showings, on the device."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from curate.train.data import captions, masks
from curate.train.data.job import Job
from curate.train.data.latents import Entry
from curate.train.data.order import Showing
from curate.train.loop import objective, objective_options

MEMORY_LIMIT = 2 << 30
"""Bytes of latents that are held in memory; above it they are read from disk as they are shown."""
MANY_CAPTIONS = 20_000
"""Token ids held at once."""


@dataclass(slots=True)
class Batch:
    """One forward's inputs on the device.

    tokens  of captions, of families that encode them while training
    sizes   what SDXL is told of each picture; `mask` what of it counts
    """

    noisy: Tensor
    target: Tensor
    timesteps: Tensor
    weights: Tensor
    thresholds: Tensor | None
    tokens: list[Tensor]
    captions: list[str]
    sizes: Tensor
    mask: Tensor | None = None


class Batches:
    """Makes batches from showings; every draw hangs on the showing alone."""

    def __init__(self, job: Job, device: torch.device) -> None:
        self.job, self.device = job, device
        self.schedule = objective_options.noise_schedule(job.options, job.backbone)
        self.noise, self.weighting, self.distance = objective_options.objective_of(job.options)
        total = sum(entry.size for entry in [*job.entries, *job.mirrored])
        self.held: dict[tuple[int, bool], Tensor] | None = {} if total <= MEMORY_LIMIT else None
        self.ids: dict[str, list[Tensor]] = {}
        self.masks: dict[tuple[int, bool], Tensor] = {}

    def stored(self, showing: Showing) -> Tensor:
        """Mean and deviation of a picture's latents, mirrored where the showing is."""
        key = showing.picture, self.flipped(showing)
        entry = (self.job.mirrored if key[1] else self.job.entries)[showing.picture]
        if self.held is None:
            return entry.load()
        if key not in self.held:
            self.held[key] = entry.load()
        return self.held[key]

    def make(self, showings: Sequence[Showing]) -> Batch:
        """The batch of these showings, which share a bucket."""
        columns = [self._draw(s, self.job.options.seed) for s in showings]
        latents, target_noise, input_noise, times = (torch.stack(c) for c in zip(*columns, strict=True))
        tokens = [self._tokens(s) for s in showings]
        sizes = [sizes_of(self.job.entries[s.picture], self.flipped(s)) for s in showings]
        return Batch(
            noisy=self.send(self.schedule.noisy(latents, input_noise, times)),
            target=self.send(self.schedule.target(latents, target_noise, times)),
            timesteps=self.send(times),
            weights=self.send(self.schedule.weights(self.weighting, times) * self._counts(showings)),
            thresholds=None if self.distance.kind == "l2" else self.send(self.schedule.threshold(self.distance, times)),
            tokens=[self.send(torch.stack(per_encoder)) for per_encoder in zip(*tokens, strict=True)],
            captions=[self.caption(s) for s in showings],
            sizes=self.send(torch.tensor(sizes, dtype=torch.float32)),
            mask=self._masks(showings),
        )

    def _counts(self, showings: Sequence[Showing]) -> Tensor:
        prior = self.job.options.prior_loss_weight
        return torch.tensor([prior if self.job.entries[s.picture].picture.reg else 1.0 for s in showings])

    def _masks(self, showings: Sequence[Showing]) -> Tensor | None:
        if not self.job.options.masked_loss:
            return None
        found: list[Tensor] = []
        for showing in showings:
            key = showing.picture, self.flipped(showing)
            if key not in self.masks:
                entry = self.job.entries[showing.picture]
                self.masks[key] = masks.weights(entry.picture, entry.fit, key[1], self.job.backbone.family.factor)
            found.append(self.masks[key])
        return self.send(torch.stack(found))

    def _draw(self, showing: Showing, seed: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        draw = showing.generator(seed, "noise")
        width, height = self.job.entries[showing.picture].fit.bucket
        time = self.schedule.draw(draw, width, height)
        mean, deviation = self.stored(showing)
        latent = mean + deviation * torch.randn(mean.shape, generator=draw)
        target, given = objective.draw_noise(latent, self.noise, draw)
        return latent, target, given, time

    def caption(self, showing: Showing) -> str:
        """The caption as this showing has it."""
        return captions.of_showing(self.job.entries[showing.picture].picture, showing, self.job.options)

    def _tokens(self, showing: Showing) -> list[Tensor]:
        caption = self.caption(showing)
        if caption not in self.ids:
            if len(self.ids) >= MANY_CAPTIONS:
                self.ids.clear()
            self.ids[caption] = self.job.backbone.tokens(caption)
        return self.ids[caption]

    def flipped(self, showing: Showing) -> bool:
        """Whether this showing is mirrored."""
        options = self.job.options
        return options.flip and random.Random(showing.seed(options.seed, "flip")).random() < 0.5

    def send(self, tensor: Tensor) -> Tensor:
        """The tensor on the device, without waiting for it."""
        return tensor if self.device.type == "cpu" else tensor.pin_memory().to(self.device, non_blocking=True)


def sizes_of(entry: Entry, flipped: bool) -> tuple[int, ...]:
    """What SDXL is told of a picture: original height and width, crop top and left, target height and width."""
    fit = entry.fit
    # what a mirrored picture loses on the left is what it lost on the right before
    left = fit.scaled[0] - fit.bucket[0] - fit.left if flipped else fit.left
    return (entry.picture.height, entry.picture.width, fit.top, left, fit.bucket[1], fit.bucket[0])
