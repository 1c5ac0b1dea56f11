"""The toy base's autoencoder, trained from nothing: crops first, whole pictures last."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from curate.diffusion.toy.linear_start import linear_start
from curate.diffusion.toy.states import (
    channels_last,
    new_optimizer,
    rate,
    read_state,
    set_rate,
    shuffled_rows,
    step_random,
    write_state,
)

if TYPE_CHECKING:
    import torch
    from torch import nn

VAE: dict[str, Any] = {
    "block_out_channels": (8, 16, 48, 96),
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
    "layers_per_block": 1,
    "norm_num_groups": 1,
    "latent_channels": 4,
}
LEARNING_RATE = 3e-3
START_PICTURES = 64
LATENT_NOISE = 0.08
LOG_VARIANCE = -5.0  # of the latents that are sampled, in squares of their spread: about LATENT_NOISE
GRADIENT_WEIGHT = 0.4


@dataclass(frozen=True, slots=True)
class AutoencoderRun:
    """Steps on crops, then on whole pictures."""

    crop_steps: int = 1900
    whole_steps: int = 300
    crop: int = 48
    crop_batch: int = 16
    whole_batch: int = 8
    save_every: int = 100

    @property
    def steps(self) -> int:
        """All steps."""
        return self.crop_steps + self.whole_steps


def new_autoencoder(pixels: Any) -> Any:
    """The model, set to a linear start from pictures."""
    import torch
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL

    torch.manual_seed(0)
    vae = AutoencoderKL(**VAE)
    linear_start(vae, to_tensor(pixels))
    return channels_last(vae)


def train_autoencoder(pixels: Any, place: Path, run: AutoencoderRun, tell: Any = print) -> Any:
    """Trains on bytes (N, H, W, 3) and returns the model with its scaling factor; goes on from `place`."""
    import torch

    vae = new_autoencoder(pixels[:: max(1, len(pixels) // START_PICTURES)])
    optimizer = new_optimizer(vae, LEARNING_RATE)
    state = read_state(place)
    first = 0
    if state:
        vae.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        first = int(state["step"])
    shown: list[float] = []
    for step, batch in _batches(pixels, first, run):
        set_rate(optimizer, LEARNING_RATE * rate(step, run.steps, 100))
        error, loss = _loss(vae, batch, step)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(vae.parameters(), 1.0)
        optimizer.step()
        shown.append(error)
        if (step + 1) % run.save_every == 0 or step + 1 == run.steps:
            tell(f"autoencoder step {step + 1}/{run.steps}: {-10 * np.log10(np.mean(shown)):.2f} dB")
            shown.clear()
            saved = {"model": vae.state_dict(), "optimizer": optimizer.state_dict(), "step": step + 1}
            write_state(place, saved)
    return _settle(vae, pixels[:: max(1, len(pixels) // 256)])


def _batches(pixels: Any, first: int, run: AutoencoderRun) -> Iterator[tuple[int, torch.Tensor]]:
    size = pixels.shape[1]
    for crop, batch, start, end in (
        (run.crop, run.crop_batch, 0, run.crop_steps),
        (size, run.whole_batch, run.crop_steps, run.steps),
    ):
        order = shuffled_rows(f"autoencoder {crop}", len(pixels), batch, max(first, start) - start, end - start)
        for step, rows in order:
            draw = step_random("crop", start + step)
            parts: list[Any] = []
            for row in rows:
                y, x = (int(v) for v in draw.integers(0, size - crop + 1, 2))
                picture = pixels[row, y : y + crop, x : x + crop]
                parts.append(picture[:, ::-1] if draw.random() < 0.5 else picture)
            yield start + step, to_tensor(np.stack(parts))


def to_tensor(pixels: Any) -> torch.Tensor:
    """Bytes (N, H, W, 3) as numbers from -1 to 1 (N, 3, H, W), channels last in memory."""
    import torch

    return torch.from_numpy(np.array(pixels)).permute(0, 3, 1, 2).float() / 127.5 - 1


def _loss(vae: Any, batch: torch.Tensor, step: int) -> tuple[float, torch.Tensor]:
    """The squared error for pixels from 0 to 1, and the loss: absolute, squared and gradient errors."""
    import torch

    mean = vae.encode(batch).latent_dist.mean
    noise = step_random("latent noise", step).standard_normal(tuple(mean.shape), dtype=np.float32)
    decoded = vae.decode(mean + LATENT_NOISE * torch.from_numpy(noise)).sample
    error = decoded - batch
    across, down = error.diff(dim=3), error.diff(dim=2)
    edges = across.abs().mean() + down.abs().mean()
    # latents of spread one: the noise is meant as a part of it
    spread = (mean.square().mean(dim=(0, 2, 3)) - 1).square().mean() + mean.mean(dim=(0, 2, 3)).square().mean()
    squared = error.square().mean()
    loss = error.abs().mean() + squared + GRADIENT_WEIGHT * edges + 0.02 * spread
    return float(squared.detach()) / 4, loss


def _settle(vae: Any, pixels: Any) -> nn.Module:
    """Fixes the latents' variance and writes the scaling factor that brings them to spread one."""
    import torch

    vae.eval().requires_grad_(False)
    half = vae.config.latent_channels
    vae.quant_conv.weight[half:] = 0
    vae.quant_conv.bias[half:] = LOG_VARIANCE
    parts = [pixels[start : start + 32] for start in range(0, len(pixels), 32)]
    with torch.no_grad():
        latents = torch.cat([vae.encode(to_tensor(part)).latent_dist.mean for part in parts])
    vae.register_to_config(scaling_factor=round(float(1 / latents.std()), 5))
    return vae


def decibels(vae: Any, pixels: Any) -> float:
    """The peak signal-to-noise ratio of pictures that were encoded and decoded, from their mean squared error."""
    import torch

    errors: list[float] = []
    with torch.no_grad():
        for start in range(0, len(pixels), 16):
            batch = to_tensor(pixels[start : start + 16])
            decoded = vae.decode(vae.encode(batch).latent_dist.mean).sample.clamp(-1, 1)
            errors += ((decoded - batch) / 2).square().mean(dim=(1, 2, 3)).tolist()
    return float(-10 * np.log10(np.mean(errors)))
