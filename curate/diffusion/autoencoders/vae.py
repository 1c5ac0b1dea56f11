"""An autoencoder other than the base's own: from a file, a folder or the hub."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from curate.diffusion.checkpoint_file import VAE, filled, read, vae_of
from curate.diffusion.detect import keys, kind_of_keys
from curate.diffusion.folder_check import check_part
from curate.diffusion.library_logging import quiet
from curate.diffusion.locate import vae_files
from curate.errors import InputError, library_reason


def load_vae(vae: str, scaling: float, offline: bool) -> nn.Module:
    """The autoencoder, frozen, in float32, with the base's `scaling`: it decides what the UNet sees.

    Raises InputError for what is none that a base of these families takes and MissingError for what is not there.
    """
    files = vae_files(vae, offline)
    check_file(files)
    made = _from_file(files[0], scaling) if len(files) == 1 else _from_folder(files[0].parent, scaling)
    config: Any = made.config
    if int(config["latent_channels"]) != 4:
        raise InputError(f"vae {vae} makes {config['latent_channels']} channels, and the base reads 4")
    return made


def check_file(files: Sequence[Path]) -> None:
    """Raises InputError where the one file that is named is a model of another kind; its header tells it."""
    if len(files) != 1 or files[0].suffix != ".safetensors":
        return
    names = keys(files[0])
    if not any("decoder." in name or "encoder.down" in name for name in names) and (kind := kind_of_keys(names)):
        raise InputError(
            f"vae {files[0]} is {kind}, not an autoencoder", "give a VAE file, or a folder with config.json"
        )


def load_named(
    vae: str,
    offline: bool,
    of_file: Callable[[Mapping[str, Tensor]], nn.Module],
    of_folder: Callable[[Path], nn.Module],
    title: str,
    kind: str,
    remedy: str,
) -> nn.Module:
    """The autoencoder of a family that is always of one form, frozen: as the user names it.

    `title` is whose it must be, `kind` its class in diffusers. Raises InputError for another one, and MissingError for
    what is not there.
    """
    files = vae_files(vae, offline)
    check_file(files)
    state = read(files[0]) if len(files) == 1 else {}
    try:
        if not state:
            check_part(files[0].parent, kind, title)
        with quiet():
            made = of_file(state) if state else of_folder(files[0].parent)
    except (OSError, ValueError, RuntimeError, KeyError, IndexError, InputError) as error:
        reason = library_reason(error)
        raise InputError(f"vae {vae} is not the autoencoder of {title}: {reason}", remedy) from error
    return made.requires_grad_(False).eval()


def _from_folder(place: Path, scaling: float) -> nn.Module:
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL

    try:
        with quiet():
            made: Any = AutoencoderKL.from_pretrained(place, torch_dtype=torch.float32, local_files_only=True)
    except (OSError, ValueError, RuntimeError) as error:
        raise InputError(
            f"{place} contains no autoencoder: {library_reason(error)}", "it needs config.json and its safetensors file"
        ) from error
    made.register_to_config(scaling_factor=scaling)
    return made.requires_grad_(False).eval()


def _from_file(path: Path, scaling: float) -> nn.Module:
    state = {key.removeprefix(VAE): tensor for key, tensor in read(path).items()}
    try:
        if "encoder.down.0.block.0.conv1.weight" in state:
            return vae_of({VAE + key: tensor for key, tensor in state.items() if not key.startswith("loss.")}, scaling)
        if "encoder.down_blocks.0.resnets.0.conv1.weight" in state:
            return _diffusers_named(state, scaling)
    except (KeyError, ValueError, IndexError) as error:
        raise InputError(
            f"{path} contains no autoencoder of Stable Diffusion's form: {library_reason(error)}", "choose another vae"
        ) from error
    raise InputError(f"{path} contains no autoencoder", "give a VAE file, or a folder with config.json")


def _diffusers_named(state: Mapping[str, Tensor], scaling: float) -> nn.Module:
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL

    def first(level: int, block: int = 0) -> str:
        return f"encoder.down_blocks.{level}.resnets.{block}.conv1.weight"

    widths = [state[first(level)].shape[0] for level in range(8) if first(level) in state]
    config: dict[str, Any] = {
        "block_out_channels": tuple(widths),
        "down_block_types": ("DownEncoderBlock2D",) * len(widths),
        "up_block_types": ("UpDecoderBlock2D",) * len(widths),
        "layers_per_block": sum(1 for block in range(8) if first(0, block) in state),
        "latent_channels": state["decoder.conv_in.weight"].shape[1],
    }
    with torch.device("meta"), quiet():
        made = AutoencoderKL(scaling_factor=scaling, **config)
    return filled(made, state, torch.float32)
