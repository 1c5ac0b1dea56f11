"""The autoencoder of FLUX.2: 32 channels, of which the network sees four neighbours as one, by their statistics."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import pixel_shuffle, pixel_unshuffle

from curate.diffusion.autoencoders.vae import load_named
from curate.diffusion.checkpoint_file import VAE, filled
from curate.diffusion.detect import read_json
from curate.diffusion.skeleton import Skeleton, numbers

PARAMETERS = 84_046_115
"""Numbers in the published one."""
PATCH = 2
"""Latents to a side of what the network takes as one."""


def of_folder(place: Path) -> nn.Module:
    """The autoencoder of a folder with config.json, float32. Raises ValueError for another one."""
    from diffusers.models.autoencoders.autoencoder_kl_flux2 import AutoencoderKLFlux2

    kind = read_json(place / "config.json").get("_class_name")
    if kind != "AutoencoderKLFlux2":
        raise ValueError(f"it is {kind}")
    return AutoencoderKLFlux2.from_pretrained(place, torch_dtype=torch.float32, local_files_only=True)


def load(vae: str, offline: bool) -> nn.Module:
    """The autoencoder that a user names, frozen. Raises InputError and MissingError."""
    return load_named(
        vae, offline, _of_file, of_folder, "FLUX.2", "AutoencoderKLFlux2", "give flux2-vae.safetensors, or its folder"
    )


def _of_file(state: Mapping[str, Tensor]) -> nn.Module:
    """Of the published file, or of one with diffusers' names; as wide and deep as its tensors say."""
    from diffusers.loaders.single_file_utils import convert_ldm_vae_checkpoint
    from diffusers.models.autoencoders.autoencoder_kl_flux2 import AutoencoderKLFlux2

    held = {_plain(key): tensor for key, tensor in state.items() if not key.startswith("loss.")}
    if "bn.running_mean" not in held:
        raise ValueError("it has no statistics of its latents (bn.running_mean)")
    original = "encoder.down.0.block.0.conv1.weight" in held
    first = "encoder.down.{}.block.{}.conv1.weight" if original else "encoder.down_blocks.{}.resnets.{}.conv1.weight"
    widths = [held[first.format(n, 0)].shape[0] for n in range(8) if first.format(n, 0) in held]
    # the decoder counts its levels from the other end in diffusers' names; one is published with a narrower decoder
    last = "decoder.up.{}.block.0.conv2.weight" if original else "decoder.up_blocks.{}.resnets.0.conv2.weight"
    outward = [held[last.format(n)].shape[0] for n in range(len(widths))]
    config: dict[str, Any] = {
        "latent_channels": held["decoder.conv_in.weight"].shape[1],
        "block_out_channels": tuple(widths),
        "decoder_block_out_channels": tuple(outward if original else reversed(outward)),
        "down_block_types": ("DownEncoderBlock2D",) * len(widths),
        "up_block_types": ("UpDecoderBlock2D",) * len(widths),
        "layers_per_block": sum(1 for n in range(8) if first.format(0, n) in held),
        # groups are in no file; the published one has 32
        "norm_num_groups": min(32, *widths, *outward),
    }
    with torch.device("meta"):
        made = AutoencoderKLFlux2(**config)
    if not original:
        return filled(made, held, torch.float32)
    statistics = {key: tensor for key, tensor in held.items() if key.startswith("bn.")}
    return filled(made, {**convert_ldm_vae_checkpoint(held, made.config), **statistics}, torch.float32)


def _plain(key: str) -> str:
    """A key as Stable Diffusion's autoencoders have it: the published file has two convolutions one level down."""
    return (
        key.removeprefix(VAE).replace("encoder.quant_conv.", "quant_conv.").replace("decoder.post_quant", "post_quant")
    )


def encode(vae: nn.Module, pictures: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and deviation [batch, 128, h, w], normalized, of pictures [batch, 3, H, W]."""
    theirs: Any = vae
    moments = theirs.encode(pictures).latent_dist
    mean, deviation = _statistics(vae)
    return (pixel_unshuffle(moments.mean, PATCH) - mean) / deviation, pixel_unshuffle(moments.std, PATCH) / deviation


def decode(vae: nn.Module, latents: Tensor) -> Tensor:
    """Pictures of normalized latents."""
    theirs: Any = vae
    mean, deviation = _statistics(vae)
    return theirs.decode(pixel_shuffle(latents * deviation + mean, PATCH), return_dict=False)[0]


def _statistics(vae: Any) -> tuple[Tensor, Tensor]:
    """Mean and deviation of each channel of packed latents, [1, channels, 1, 1]."""
    deviation = torch.sqrt(vae.bn.running_var + float(vae.config["batch_norm_eps"]))
    return vae.bn.running_mean.view(1, -1, 1, 1), deviation.view(1, -1, 1, 1)


def outline() -> Skeleton:
    """Its numbers without values, for counting."""
    return numbers(PARAMETERS)
