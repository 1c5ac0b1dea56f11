"""Rectified flow: a straight line from latents to noise, and how its times σ are drawn; pure functions on tensors.

x_σ = (1 − σ)·latents + σ·noise, target noise − latents (arXiv 2209.03003; draws and shift from 2403.03206).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from curate.diffusion.dynamic_shift import Line, dynamic_shift
from curate.train.loop.objective import Distance, Weighting, per_sample


@dataclass(frozen=True)
class TimeDraw:
    """How σ is drawn; then it is shifted: σ' = sσ/(1 + (s − 1)σ).

    sampling    uniform; sigmoid(mean + deviation·z) for a normal z; or 1 − u − scale·(cos²(πu/2) − 1 + u)
    shift       s, where the size of the picture does not decide it
    line        (tokens, μ, tokens, μ) where it does: s = e^μ, μ on the line through both points and beyond
    """

    sampling: Literal["uniform", "logit-normal", "mode"] = "logit-normal"
    mean: float = 0.0
    deviation: float = 1.0
    scale: float = 1.29
    shift: float = 1.0
    line: Line | None = None

    def of(self, generator: torch.Generator, width: int, height: int) -> Tensor:
        """One σ, float32, for a picture of so many pixels."""
        return shifted(self._plain(generator), self.strength(width, height))

    def _plain(self, generator: torch.Generator) -> Tensor:
        if self.sampling == "logit-normal":
            return torch.sigmoid(self.mean + self.deviation * torch.randn((), generator=generator))
        u = torch.rand((), generator=generator)
        if self.sampling == "uniform":
            return u
        return 1 - u - self.scale * (torch.cos(math.pi * u / 2) ** 2 - 1 + u)

    def strength(self, width: int, height: int) -> float:
        """The shift s of a picture of so many pixels."""
        if self.line is None:
            return self.shift
        return dynamic_shift(self.line, width, height)


def shifted(sigma: Tensor, s: float) -> Tensor:
    """σ moved towards noise for s above 1."""
    return s * sigma / (1 + (s - 1) * sigma)


@dataclass(frozen=True)
class FlowSchedule:
    """Rectified flow's schedule; `first` and `last` bound σ: what is drawn is spread over what lies between."""

    times: TimeDraw
    first: float = 0.0
    last: float = 1.0

    def draw(self, generator: torch.Generator, width: int, height: int) -> Tensor:
        """σ of one showing, [] float32."""
        return self.first + (self.last - self.first) * self.times.of(generator, width, height)

    def spread(self, count: int) -> Tensor:
        """So many σ in the middle of equal parts, [count] float32, not shifted: losses compare between settings."""
        return self.first + (self.last - self.first) * (torch.arange(count, dtype=torch.float32) + 0.5) / count

    def noisy(self, latents: Tensor, noise: Tensor, timesteps: Tensor) -> Tensor:
        """(1 − σ)·latents + σ·noise."""
        sigma = per_sample(timesteps, latents)
        return (1 - sigma) * latents + sigma * noise

    def target(self, latents: Tensor, noise: Tensor, timesteps: Tensor) -> Tensor:
        """noise − latents at every time."""
        return noise - latents

    def weights(self, how: Weighting, timesteps: Tensor) -> Tensor:
        """1 at every time: weights that speak of ᾱ are refused before."""
        return torch.ones(timesteps.shape)

    def threshold(self, how: Distance, timesteps: Tensor) -> Tensor:
        """huber_c constant, or falling from 1 at σ = 0 to c at σ = 1."""
        if how.schedule == "constant":
            return torch.full(timesteps.shape, how.c)
        return torch.exp(math.log(how.c) * timesteps.double()).float()
