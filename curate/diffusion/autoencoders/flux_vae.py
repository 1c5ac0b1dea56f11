"""The autoencoder of FLUX.1: Stable Diffusion's form with 16 channels, and a shift of its latents."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from curate.diffusion.autoencoders.vae import load_named
from curate.diffusion.checkpoint_file import VAE, filled
from curate.diffusion.skeleton import Skeleton, numbers

PARAMETERS = 83_819_683
"""Numbers in the published one."""
CHANNELS = 16
LATENTS: Mapping[str, Any] = {
    "latent_channels": CHANNELS,
    "scaling_factor": 0.3611,
    "shift_factor": 0.1159,
    "use_quant_conv": False,
    "use_post_quant_conv": False,
    "force_upcast": True,
}
"""What no file's shapes tell: how latents are normalized."""


def of_folder(place: Path) -> nn.Module:
    """The autoencoder of a folder with config.json, float32. Raises ValueError for another one."""
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL

    made: Any = AutoencoderKL.from_pretrained(place, torch_dtype=torch.float32, local_files_only=True)
    if int(made.config["latent_channels"]) != CHANNELS:
        raise ValueError(f"it makes {made.config['latent_channels']} channels, not {CHANNELS}")
    return made


def load(vae: str, offline: bool) -> nn.Module:
    """The autoencoder that a user names, frozen. Raises InputError and MissingError."""
    return load_named(
        vae, offline, _of_file, of_folder, "FLUX.1", "AutoencoderKL", "give ae.safetensors, or its folder"
    )


def _of_file(state: Mapping[str, Tensor]) -> nn.Module:
    """Of the published file, or of one with diffusers' names; as wide and deep as its tensors say."""
    from diffusers.loaders.single_file_utils import convert_ldm_vae_checkpoint
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL

    held = {key.removeprefix(VAE): tensor for key, tensor in state.items() if not key.startswith("loss.")}
    original = "encoder.down.0.block.0.conv1.weight" in held
    first = "encoder.down.{}.block.{}.conv1.weight" if original else "encoder.down_blocks.{}.resnets.{}.conv1.weight"
    if (channels := held["decoder.conv_in.weight"].shape[1]) != CHANNELS:
        raise ValueError(f"it reads {channels} channels, not {CHANNELS}")
    widths = [held[first.format(n, 0)].shape[0] for n in range(8) if first.format(n, 0) in held]
    config: dict[str, Any] = {
        **LATENTS,
        "block_out_channels": tuple(widths),
        "down_block_types": ("DownEncoderBlock2D",) * len(widths),
        "up_block_types": ("UpDecoderBlock2D",) * len(widths),
        "layers_per_block": sum(1 for n in range(8) if first.format(0, n) in held),
        # groups are in no file; the published one has 32
        "norm_num_groups": min(32, widths[0]),
    }
    with torch.device("meta"):
        made = AutoencoderKL(**config)
    return filled(made, convert_ldm_vae_checkpoint(held, made.config) if original else held, torch.float32)


def encode(vae: nn.Module, pictures: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and deviation [batch, 16, h, w], normalized, of pictures [batch, 3, H, W]."""
    theirs: Any = vae
    moments = theirs.encode(pictures).latent_dist
    scale = float(theirs.config["scaling_factor"])
    return (moments.mean - float(theirs.config["shift_factor"])) * scale, moments.std * scale


def decode(vae: nn.Module, latents: Tensor) -> Tensor:
    """Pictures of normalized latents."""
    theirs: Any = vae
    given = latents / float(theirs.config["scaling_factor"]) + float(theirs.config["shift_factor"])
    return theirs.decode(given, return_dict=False)[0]


def outline() -> Skeleton:
    """Its numbers without values, for counting."""
    return numbers(PARAMETERS)
