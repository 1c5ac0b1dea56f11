"""Small autoencoders with random weights, as folders, and the index of a small model; `tiny_text` has its encoders."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from curate.diffusion.autoencoders.flux_vae import LATENTS
from curate.diffusion.diffusers_folder import write_json
from curate.diffusion.library_logging import quiet


def write_qwen_vae(place: Path) -> None:
    """The autoencoder of Qwen-Image, all levels equally narrow."""
    from diffusers.models.autoencoders.autoencoder_kl_qwenimage import AutoencoderKLQwenImage

    torch.manual_seed(23)
    with quiet():
        AutoencoderKLQwenImage(base_dim=8, dim_mult=[1, 1, 1, 1], num_res_blocks=1).save_pretrained(place)


def write_qwen21_vae(place: Path) -> None:
    """The autoencoder of Qwen-Image 2.1, all levels narrow."""
    from diffusers.models.autoencoders.autoencoder_kl_qwenimage21 import AutoencoderKLQwenImage21

    torch.manual_seed(23)
    with quiet():
        AutoencoderKLQwenImage21(base_dim=8, decoder_base_dim=8, num_res_blocks=1).save_pretrained(place)


def write_flux_vae(place: Path) -> None:
    """The autoencoder of FLUX.1, all levels equally narrow."""
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL

    narrow: dict[str, Any] = {
        "block_out_channels": (8,) * 4,
        "down_block_types": ("DownEncoderBlock2D",) * 4,
        "up_block_types": ("UpDecoderBlock2D",) * 4,
        "layers_per_block": 1,
        "norm_num_groups": 2,
    }
    torch.manual_seed(23)
    with quiet():
        AutoencoderKL(**narrow, **LATENTS).save_pretrained(place)


def write_flux2_vae(place: Path) -> None:
    """The autoencoder of FLUX.2, all levels equally narrow, with statistics of its latents that are not 0 and 1."""
    from diffusers.models.autoencoders.autoencoder_kl_flux2 import AutoencoderKLFlux2

    torch.manual_seed(23)
    with quiet():
        vae = AutoencoderKLFlux2(block_out_channels=(8,) * 4, layers_per_block=1, norm_num_groups=2, latent_channels=4)
        statistics: Any = vae.bn
        statistics.running_mean.normal_(std=0.1)
        statistics.running_var.uniform_(0.5, 2)
        vae.save_pretrained(place)


def write_index(
    place: Path, pipeline: str, schedule: Mapping[str, Any], index: str = "model_index.json", **further: Any
) -> None:
    """The index, with what else it says, and the scheduler's configuration."""
    write_json(place / index, {"_class_name": pipeline, **further})
    values = {"_class_name": "FlowMatchEulerDiscreteScheduler", "num_train_timesteps": 1000, **schedule}
    write_json(place / "scheduler" / "scheduler_config.json", values)
