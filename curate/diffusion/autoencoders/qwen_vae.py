"""The autoencoder of Qwen-Image, which Anima and Krea 2 share: a video model used for one frame."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from curate.diffusion.autoencoders.vae import load_named
from curate.diffusion.checkpoint_file import filled
from curate.diffusion.skeleton import Skeleton, numbers

PARAMETERS = 126_892_531
"""Numbers in the published one."""


def of_folder(place: Path) -> nn.Module:
    """The autoencoder of a folder with config.json, float32."""
    from diffusers.models.autoencoders.autoencoder_kl_qwenimage import AutoencoderKLQwenImage

    return AutoencoderKLQwenImage.from_pretrained(place, torch_dtype=torch.float32, local_files_only=True)


def load(vae: str, offline: bool) -> nn.Module:
    """The autoencoder that a user names, frozen. Raises InputError and MissingError."""
    return load_named(
        vae,
        offline,
        _of_file,
        of_folder,
        "Qwen-Image",
        "AutoencoderKLQwenImage",
        "give qwen_image_vae.safetensors, or its folder",
    )


def _of_file(state: Mapping[str, Tensor]) -> nn.Module:
    """Of the published file, whose names are those of the Wan autoencoder, or of diffusers' own."""
    from diffusers.loaders.single_file_utils import convert_wan_vae_to_diffusers
    from diffusers.models.autoencoders.autoencoder_kl_qwenimage import AutoencoderKLQwenImage

    original = "encoder.conv1.weight" in state
    renamed: Mapping[str, Tensor] = convert_wan_vae_to_diffusers(dict(state)) if original else state
    with torch.device("meta"):
        made = AutoencoderKLQwenImage(base_dim=renamed["encoder.conv_in.weight"].shape[0])
    return filled(made, renamed, torch.float32)


def encode(vae: nn.Module, pictures: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and deviation [batch, 16, h, w], normalized by channel, of pictures [batch, 3, H, W]."""
    moments = vae.encode(pictures[:, :, None]).latent_dist  # pyright: ignore[reportCallIssue]
    mean, deviation = statistics(vae, pictures)
    return ((moments.mean - mean) / deviation)[:, :, 0], (moments.std / deviation)[:, :, 0]


def decode(vae: nn.Module, latents: Tensor) -> Tensor:
    """Pictures of normalized latents."""
    mean, deviation = statistics(vae, latents)
    theirs: Any = vae
    return theirs.decode(latents[:, :, None] * deviation + mean, return_dict=False)[0][:, :, 0]


def statistics(vae: nn.Module, like: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and deviation of each channel of latents, [1, channels, 1, 1, 1], on the device of `like`."""
    config: Any = vae.config
    values = (torch.tensor(config[name], device=like.device) for name in ("latents_mean", "latents_std"))
    mean, deviation = (value.view(1, -1, 1, 1, 1) for value in values)
    return mean, deviation


def outline() -> Skeleton:
    """Its numbers without values, for counting: which layers they are in is not told."""
    return numbers(PARAMETERS)
