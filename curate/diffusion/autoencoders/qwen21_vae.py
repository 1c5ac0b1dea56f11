"""The autoencoder of Qwen-Image 2.1: 64 channels, a sixteenth of the sides, pictures with transparency."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from curate.diffusion.autoencoders.qwen_vae import statistics
from curate.diffusion.autoencoders.vae import load_named
from curate.diffusion.checkpoint_file import filled
from curate.diffusion.skeleton import Skeleton, numbers

PARAMETERS = 337_740_404
"""Numbers in the published one."""


def of_folder(place: Path) -> nn.Module:
    """The autoencoder of a folder with config.json, float32."""
    from diffusers.models.autoencoders.autoencoder_kl_qwenimage21 import AutoencoderKLQwenImage21

    return AutoencoderKLQwenImage21.from_pretrained(place, torch_dtype=torch.float32, local_files_only=True)


def load(vae: str, offline: bool) -> nn.Module:
    """The autoencoder that a user names, frozen. Raises InputError and MissingError."""
    return load_named(
        vae,
        offline,
        _of_file,
        of_folder,
        "Qwen-Image 2.1",
        "AutoencoderKLQwenImage21",
        "give its folder, or a file by its names",
    )


def _of_file(state: Mapping[str, Tensor]) -> nn.Module:
    """Of a file with diffusers' names: no other are published."""
    from diffusers.models.autoencoders.autoencoder_kl_qwenimage21 import AutoencoderKLQwenImage21

    widths = {"base_dim": "encoder.conv_in.weight", "decoder_base_dim": "decoder.conv_out.weight"}
    sizes: dict[str, Any] = {
        "base_dim": state[widths["base_dim"]].shape[0],
        "decoder_base_dim": state[widths["decoder_base_dim"]].shape[1],
    }
    with torch.device("meta"):
        made = AutoencoderKLQwenImage21(**sizes)
    return filled(made, state, torch.float32)


def encode(vae: nn.Module, pictures: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and deviation [batch, 64, h, w], normalized by channel, of opaque pictures [batch, 3, H, W]."""
    opaque = functional.pad(pictures, (0, 0, 0, 0, 0, 1), value=1.0)
    moments = vae.encode(opaque[:, :, None]).latent_dist  # pyright: ignore[reportCallIssue]
    mean, deviation = statistics(vae, pictures)
    return ((moments.mean - mean) / deviation)[:, :, 0], (moments.std / deviation)[:, :, 0]


def decode(vae: nn.Module, latents: Tensor) -> Tensor:
    """Pictures [batch, 3, H, W] of normalized latents, without their transparency."""
    mean, deviation = statistics(vae, latents)
    theirs: Any = vae
    return theirs.decode(latents[:, :, None] * deviation + mean, return_dict=False)[0][:, :3, 0]


def outline() -> Skeleton:
    """Its numbers without values, for counting: which layers they are in is not told."""
    return numbers(PARAMETERS)
