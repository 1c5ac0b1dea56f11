"""The toy base's UNet and text encoder, trained together on cached latents with v-prediction."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from curate.diffusion.toy.autoencoder import LATENT_NOISE, to_tensor
from curate.diffusion.toy.data import caption
from curate.diffusion.toy.states import (
    channels_last,
    rate,
    read_state,
    set_rate,
    shuffled_rows,
    step_random,
    write_state,
)
from curate.samples.toy_world import RESOLUTION, Scene

if TYPE_CHECKING:
    import torch
    from torch import nn

UNET: dict[str, Any] = {
    "sample_size": RESOLUTION // 8,
    "block_out_channels": (24, 48, 64, 64),
    "layers_per_block": 2,
    "cross_attention_dim": 64,
    "attention_head_dim": 2,  # the number of heads: diffusers' name for it in this architecture
    "norm_num_groups": 8,
}
TEXT: dict[str, Any] = {
    "hidden_size": 64,
    "intermediate_size": 256,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "projection_dim": 64,
    "max_position_embeddings": 77,
    "hidden_act": "quick_gelu",
}
SCHEDULER: dict[str, Any] = {
    "_class_name": "DDPMScheduler",
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "num_train_timesteps": 1000,
    "prediction_type": "v_prediction",
    "clip_sample": False,
    "set_alpha_to_one": False,
    "steps_offset": 1,
}
LEARNING_RATE = 2e-3
CAPTION_DROPOUT = 0.1
AVERAGE = 0.999
WHOLE_LENGTH_SHARE = 0.1  # batches padded to 77 tokens, as samplers pad; the others to their longest caption


@dataclass(frozen=True, slots=True)
class NetworkRun:
    """How long the network trains."""

    steps: int = 3600
    batch: int = 32
    save_every: int = 100


class Network:
    """UNet and text encoder with the averages of their weights."""

    def __init__(self, tokenizer: Any) -> None:
        import torch
        from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
        from torch import nn
        from transformers import CLIPTextConfig, CLIPTextModel

        torch.manual_seed(0)
        self.tokenizer = tokenizer
        ends = {"bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id}
        text = CLIPTextConfig(vocab_size=len(tokenizer), pad_token_id=tokenizer.eos_token_id, **ends, **TEXT)
        unet = channels_last(UNet2DConditionModel(**UNET))
        self.models = nn.ModuleDict({"unet": unet, "text_encoder": CLIPTextModel(text)})
        self.averages = {key: value.clone() for key, value in self.models.state_dict().items()}

    def average(self, step: int) -> None:
        """Takes a step's weights into the averages; early steps count for less time."""
        keep = min(AVERAGE, (1 + step) / (10 + step))
        import torch

        with torch.no_grad():
            for key, value in self.models.state_dict().items():
                if value.is_floating_point():
                    self.averages[key].lerp_(value, 1 - keep)

    def states(self, captions: list[str], whole: bool) -> torch.Tensor:
        """The text encoder's states, padded to 77 tokens or to the longest caption."""
        padding = "max_length" if whole else "longest"
        given = self.tokenizer(captions, padding=padding, max_length=77, truncation=True, return_tensors="pt")
        return self.models["text_encoder"](input_ids=given["input_ids"]).last_hidden_state

    def use_averages(self) -> nn.ModuleDict:
        """The models with their averaged weights, frozen."""
        self.models.load_state_dict(self.averages)
        return self.models.eval().requires_grad_(False)


def alphas() -> torch.Tensor:
    """The share of the picture that is left at each of 1000 times: cumulative products of the schedule."""
    import torch

    first, last = (float(SCHEDULER[key]) ** 0.5 for key in ("beta_start", "beta_end"))
    return torch.cumprod(1 - torch.linspace(first, last, 1000, dtype=torch.float64) ** 2, 0).float()


def encode_pixels(vae: Any, pixels: Any, place: Path, batch: int = 32) -> Any:
    """Scaled latents (N, 4, h, w) of pictures in half precision, kept in a file."""
    import torch

    if not place.exists():
        parts: list[Any] = []
        with torch.no_grad():
            for start in range(0, len(pixels), batch):
                mean = vae.encode(to_tensor(pixels[start : start + batch])).latent_dist.mean
                parts.append((mean * vae.config.scaling_factor).half().numpy())
        part = place.with_name(place.name + ".part.npy")
        np.save(part, np.concatenate(parts))
        part.replace(place)
    return np.load(place)


def train_network(
    tokenizer: Any, latents: Any, scenes: list[Scene], place: Path, run: NetworkRun, tell: Any = print
) -> Network:
    """Trains on latents and the scenes that they show; goes on from `place`."""
    import torch

    network = Network(tokenizer)
    models = network.models
    optimizer = torch.optim.AdamW(models.parameters(), lr=LEARNING_RATE, betas=(0.9, 0.99), weight_decay=1e-2)
    first = 0
    if state := read_state(place):
        models.load_state_dict(state["model"])
        network.averages = state["averages"]
        optimizer.load_state_dict(state["optimizer"])
        first = int(state["step"])
    shares = alphas()
    shown: list[float] = []
    for step, rows in shuffled_rows("network", len(latents), run.batch, first, run.steps):
        set_rate(optimizer, LEARNING_RATE * rate(step, run.steps, 50))
        loss = _loss(network, latents[rows], [scenes[row] for row in rows], shares, step)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(models.parameters(), 1.0)
        optimizer.step()
        network.average(step)
        shown.append(loss.item())
        if (step + 1) % run.save_every == 0 or step + 1 == run.steps:
            tell(f"network step {step + 1}/{run.steps}: loss {np.mean(shown):.4f}")
            shown.clear()
            saved = {"model": models.state_dict(), "averages": network.averages, "step": step + 1}
            write_state(place, {**saved, "optimizer": optimizer.state_dict()})
    return network


def _loss(network: Network, latents: Any, scenes: list[Scene], shares: torch.Tensor, step: int) -> torch.Tensor:
    """The mean squared error of the predicted velocity, at times spread evenly over the batch."""
    import torch

    draw = step_random("network", step)
    captions = ["" if draw.random() < CAPTION_DROPOUT else caption(scene, draw) for scene in scenes]
    count = len(scenes)
    times = ((np.arange(count) + draw.random(count)) * (len(shares) / count)).astype(np.int64)
    times = torch.from_numpy(draw.permutation(times))
    jitter, noise = torch.from_numpy(draw.standard_normal((2, *latents.shape), dtype=np.float32))
    clean = torch.from_numpy(latents).float() + LATENT_NOISE * jitter
    signal, sigma = shares[times].sqrt()[:, None, None, None], (1 - shares[times]).sqrt()[:, None, None, None]
    states = network.states(captions, bool(draw.random() < WHOLE_LENGTH_SHARE))
    noisy = (signal * clean + sigma * noise).contiguous(memory_format=torch.channels_last)
    predicted = network.models["unet"](noisy, times, states).sample
    return (predicted - (signal * noise - sigma * clean)).square().mean()
