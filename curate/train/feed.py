"""Makes batches: latents, noise, timesteps, captions and weights of showings, on the device."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from curate.train import aims, captions, objective
from curate.train.batches import Showing
from curate.train.prepare import Job

MEMORY_LIMIT = 2 << 30
"""Bytes of latents that are held in memory; above it they are read from disk as they are shown."""
MANY_CAPTIONS = 20_000
"""Token ids held at once."""


@dataclass(slots=True)
class Batch:
    """One forward's inputs on the device; `sizes` are what SDXL is told of each picture."""

    noisy: Tensor
    target: Tensor
    timesteps: Tensor
    weights: Tensor
    thresholds: Tensor | None
    tokens: list[Tensor]
    captions: list[str]
    sizes: Tensor


class Batches:
    """Makes batches from showings; every draw hangs on the showing alone."""

    def __init__(self, job: Job, device: torch.device) -> None:
        self.job, self.device = job, device
        self.schedule = aims.noise_schedule(job.options, job.backbone)
        self.noise, self.weighting, self.distance = aims.objective_of(job.options)
        total = sum(8 * 4 * (w // 8) * (h // 8) for w, h in (e.fit.bucket for e in [*job.entries, *job.mirrored]))
        self.held: dict[tuple[int, bool], Tensor] | None = {} if total <= MEMORY_LIMIT else None
        self.ids: dict[str, list[Tensor]] = {}

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
        return Batch(
            noisy=self._send(self.schedule.noisy(latents, input_noise, times)),
            target=self._send(self.schedule.target(latents, target_noise, times)),
            timesteps=self._send(times),
            weights=self._send(objective.weights(self.weighting, self.schedule, times)),
            thresholds=None if self.distance.kind == "l2" else self._send(self.distance.threshold(self.schedule, times)),
            tokens=[self._send(torch.stack(per_encoder)) for per_encoder in zip(*tokens, strict=True)],
            captions=[self.caption(s) for s in showings],
            sizes=self._send(torch.tensor([self._sizes(s) for s in showings], dtype=torch.float32)),
        )

    def _draw(self, showing: Showing, seed: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        draw = showing.generator(seed, "noise")
        options = self.job.options
        last = min(options.max_timestep, len(self.schedule.alphas))
        time = torch.randint(options.min_timestep, last, (), generator=draw)
        mean, deviation = self.stored(showing)
        latent = mean + deviation * torch.randn(mean.shape, generator=draw)
        target, given = objective.draw_noise(latent, self.noise, draw)
        return latent, target, given, time

    def caption(self, showing: Showing) -> str:
        """The caption as this showing has it."""
        picture, options = self.job.entries[showing.picture].picture, self.job.options
        draw = random.Random(showing.seed(options.seed, "caption"))
        return captions.shown(picture.caption, self.job.data.triggers[picture.concept], options, showing.epoch, draw)

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

    def _sizes(self, showing: Showing) -> tuple[int, ...]:
        entry = self.job.entries[showing.picture]
        fit = entry.fit
        # what a mirrored picture loses on the left is what it lost on the right before
        left = fit.scaled[0] - fit.bucket[0] - fit.left if self.flipped(showing) else fit.left
        return (entry.picture.height, entry.picture.width, fit.top, left, fit.bucket[1], fit.bucket[0])

    def _send(self, tensor: Tensor) -> Tensor:
        return tensor if self.device.type == "cpu" else tensor.pin_memory().to(self.device, non_blocking=True)
