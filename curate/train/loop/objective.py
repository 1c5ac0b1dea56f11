"""What the UNet is asked to predict and how its error is weighed: pure functions on tensors.

Formulas: SNR and targets from arXiv 2006.11239 and 2202.00512, min-SNR from 2303.09556, zero terminal SNR from
2305.08891, P2 from 2204.00227, debiased estimation from 2310.08442; forms for v-prediction as in training programs.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, Protocol

import torch
from torch import Tensor
from torch.nn import functional

Prediction = Literal["epsilon", "v"]


class NoiseSchedule(Protocol):
    """How much noise there is at a time: of diffusion, timesteps by number; of rectified flow, σ from 0 to 1."""

    def draw(self, generator: torch.Generator, width: int, height: int) -> Tensor:
        """The time of one showing of a picture of so many pixels, []."""
        ...

    def spread(self, count: int) -> Tensor:
        """So many times in the middle of equal parts of those trained, [count]."""
        ...

    def noisy(self, latents: Tensor, noise: Tensor, timesteps: Tensor) -> Tensor:
        """Latents with noise at times [batch]."""
        ...

    def target(self, latents: Tensor, noise: Tensor, timesteps: Tensor) -> Tensor:
        """What is to be predicted."""
        ...

    def weights(self, how: Weighting, timesteps: Tensor) -> Tensor:
        """What each sample's loss is multiplied with, [batch] float32."""
        ...

    def threshold(self, how: Distance, timesteps: Tensor) -> Tensor:
        """huber_c at times, [batch] float32."""
        ...


def scaled_linear_alphas(start: float = 0.00085, end: float = 0.012, steps: int = 1000) -> Tensor:
    """Cumulative ᾱ of the SD schedule, float64 [steps]: betas linear in their square root."""
    betas = torch.linspace(start**0.5, end**0.5, steps, dtype=torch.float64) ** 2
    return (1 - betas).cumprod(0)


def zero_terminal(alphas: Tensor) -> Tensor:
    """ᾱ shifted and scaled so that the last is 0 and the first stays (2305.08891, algorithm 1)."""
    root = alphas.sqrt()
    first, last = root[0].clone(), root[-1].clone()
    return ((root - last) * (first / (first - last))) ** 2


def per_sample(values: Tensor, like: Tensor) -> Tensor:
    """[batch] values in a shape that multiplies [batch, …]."""
    return values.reshape(-1, *(1,) * (like.dim() - 1)).to(like.dtype)


@dataclass(frozen=True)
class Schedule:
    """Diffusion's schedule; `alphas` is ᾱ [steps], float64, corrected already where zero terminal SNR is wanted.

    first, last   of the timesteps that are trained, the last not included
    """

    alphas: Tensor
    prediction: Prediction
    first: int = 0
    last: int = 1000

    def draw(self, generator: torch.Generator, width: int, height: int) -> Tensor:
        """Uniform, whatever the picture's size."""
        return torch.randint(self.first, min(self.last, len(self.alphas)), (), generator=generator)

    def spread(self, count: int) -> Tensor:
        """As `NoiseSchedule`."""
        first, last = self.first, min(self.last, len(self.alphas))
        return torch.tensor([first + int((i + 0.5) * (last - first) / count) for i in range(count)])

    def weights(self, how: Weighting, timesteps: Tensor) -> Tensor:
        """As `weights`."""
        return weights(how, self, timesteps)

    def threshold(self, how: Distance, timesteps: Tensor) -> Tensor:
        """As `Distance.threshold`."""
        return how.threshold(self, timesteps)

    @property
    def snr(self) -> Tensor:
        """Signal-to-noise ratio ᾱ/(1−ᾱ) by timestep, float64."""
        return self.alphas / (1 - self.alphas)

    def noisy(self, latents: Tensor, noise: Tensor, timesteps: Tensor) -> Tensor:
        """√ᾱ·latents + √(1−ᾱ)·noise at timesteps [batch]."""
        a = self.alphas[timesteps]
        return per_sample(a.sqrt(), latents) * latents + per_sample((1 - a).sqrt(), latents) * noise

    def target(self, latents: Tensor, noise: Tensor, timesteps: Tensor) -> Tensor:
        """The noise, or for v-prediction √ᾱ·noise − √(1−ᾱ)·latents."""
        if self.prediction == "epsilon":
            return noise
        a = self.alphas[timesteps]
        return per_sample(a.sqrt(), latents) * noise - per_sample((1 - a).sqrt(), latents) * latents


@dataclass(frozen=True)
class Noise:
    """How training noise departs from plain Gaussian noise; zeros leave it plain.

    offset            one draw per channel, times this, is added
    adaptive          adds this times |mean of the latent's channel| to the offset
    multires_steps    coarser noises that are added, each `multires_discount` times the one before
    random_strength   multiplies offset by a draw from U(0, 1)
    ip                further noise in the input that the target does not hold
    ip_random         multiplies it by a draw from U(0, 1)
    """

    offset: float = 0.0
    adaptive: float = 0.0
    multires_steps: int = 0
    multires_discount: float = 0.3
    random_strength: bool = False
    ip: float = 0.0
    ip_random: bool = False


def draw_noise(latent: Tensor, how: Noise, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Noise for one latent [channels, h, w], as the target holds it and as the input gets it."""
    noise = torch.randn(latent.shape, generator=generator)
    if how.offset or how.adaptive:
        strength = how.offset * (float(torch.rand((), generator=generator)) if how.random_strength else 1.0)
        mean = latent.mean(dim=(1, 2), keepdim=True).abs()
        noise = noise + (strength + how.adaptive * mean).clamp(min=0) * torch.randn(
            latent.shape[0], 1, 1, generator=generator
        )
    if how.multires_steps:
        noise = _multires(noise, how, generator)
    if not how.ip:
        return noise, noise
    strength = how.ip * (float(torch.rand((), generator=generator)) if how.ip_random else 1.0)
    return noise, noise + strength * torch.randn(latent.shape, generator=generator)


def _multires(noise: Tensor, how: Noise, generator: torch.Generator) -> Tensor:
    """Pyramid noise: coarser and coarser draws on top, then back to a deviation of one, for this sample alone."""
    channels, height, width = noise.shape
    for level in range(how.multires_steps):
        ratio = (2 + 2 * float(torch.rand((), generator=generator))) ** level
        rows, columns = max(1, int(height / ratio)), max(1, int(width / ratio))
        coarse = torch.randn(1, channels, rows, columns, generator=generator)
        noise = (
            noise + functional.interpolate(coarse, (height, width), mode="bilinear")[0] * how.multires_discount**level
        )
        if rows == 1 or columns == 1:
            break
    return noise / noise.std()


@dataclass(frozen=True)
class Weighting:
    """How samples are weighed by their timestep; zeros and False leave the plain mean squared error.

    min_snr      γ: weight min(SNR, γ)/SNR, for v min(SNR, γ)/(SNR + 1)
    debiased     1/√SNR, for v 1/(SNR + 1)
    p2           (1 + SNR)^−γ, for v (2 + SNR)^−γ
    v_like       adds this times the loss a v-prediction would have (epsilon only)
    scale_v      SNR/(SNR + 1): weighs v as epsilon would be
    """

    min_snr: float = 0.0
    debiased: bool = False
    p2: float = 0.0
    v_like: float = 0.0
    scale_v: bool = False


SNR_LIMIT = 1000.0


def weights(how: Weighting, schedule: Schedule, timesteps: Tensor) -> Tensor:
    """What each sample's loss is multiplied with, [batch] float32; finite and above zero at every timestep.

    Where the SNR is zero min-SNR and scale_v weigh 1: a weight of zero would switch off just what zero terminal
    SNR is for.
    """
    snr = schedule.snr[timesteps]
    v = schedule.prediction == "v"
    limited = snr.clamp(max=SNR_LIMIT)
    out = torch.ones_like(snr)
    if how.min_snr:
        out = out * torch.where(snr > 0, snr.clamp(max=how.min_snr) / (snr + 1 if v else snr), 1.0)
    if how.scale_v and v:
        out = out * torch.where(snr > 0, limited / (limited + 1), 1.0)
    if how.v_like and not v:
        out = out * (1 + how.v_like * (limited + 1) / limited)
    if how.debiased:
        out = out / (limited + 1 if v else limited.sqrt())
    if how.p2:
        out = out * (snr + (2 if v else 1)) ** -how.p2
    return out.float()


@dataclass(frozen=True)
class Distance:
    """How far a prediction is from its target: l2, huber or smooth-l1, with c by a schedule over timesteps."""

    kind: Literal["l2", "huber", "smooth-l1"] = "l2"
    c: float = 0.1
    schedule: Literal["constant", "exponential", "snr"] = "snr"

    def threshold(self, schedule: Schedule, timesteps: Tensor) -> Tensor:
        """c at timesteps, [batch] float32."""
        if self.schedule == "constant":
            return torch.full(timesteps.shape, self.c)
        if self.schedule == "exponential":
            return torch.exp(math.log(self.c) * timesteps.double() / len(schedule.alphas)).float()
        a = schedule.alphas[timesteps]
        sigma = ((1 - a) / a.clamp(min=1e-12)).sqrt()
        return ((1 - self.c) / (1 + sigma) ** 2 + self.c).float()

    def of(self, prediction: Tensor, target: Tensor, c: Tensor | None = None) -> Tensor:
        """The elementwise loss, float32, in the prediction's shape; `c` is `threshold`'s, needed but for l2."""
        difference = prediction.float() - target.float()
        if self.kind == "l2" or c is None:
            return difference**2
        limit = per_sample(c, difference)
        return 2 * (limit if self.kind == "huber" else 1) * (torch.sqrt(difference**2 + limit**2) - limit)


def sample_losses(elementwise: Tensor, sample_weights: Tensor, mask: Tensor | None = None) -> Tensor:
    """One loss per sample [batch]: mean over channels and places (times a mask [batch, 1, h, w]), times its weight."""
    if mask is not None:
        elementwise = elementwise * mask
    return elementwise.flatten(1).mean(1) * sample_weights
