"""From what the user calls the base (a name, a folder, a file, a hub name) to a loaded backbone."""

from __future__ import annotations

import contextlib
from collections.abc import Generator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from curate.core.digests import FileDigests, file_digest, legacy_digest, text_digest
from curate.diffusion.base import Backbone, Prediction
from curate.diffusion.checkpoint_file import load_parts
from curate.diffusion.clip_text import ClipText
from curate.diffusion.detect import folder_family, read_json, yaml_prediction
from curate.diffusion.library_logging import quiet
from curate.diffusion.locate import base_digest, located, vae_digest
from curate.diffusion.sd1 import Sd1
from curate.diffusion.sd2 import Sd2
from curate.diffusion.sdxl import Sdxl
from curate.diffusion.tokenizer import tokenizer
from curate.diffusion.vae import load_vae
from curate.errors import InputError

FAMILIES: dict[str, type[Backbone]] = {"sd1": Sd1, "sd2": Sd2, "sdxl": Sdxl}


@dataclass
class Want:
    """How a base is loaded.

    clip_skip    layer of SD 1.x's text encoder, from the end
    max_tokens   75, 150 or 225
    dtype        of UNet and text encoders; the VAE stays float32
    tokenizer    folder or hub name of a CLIP tokenizer, for one-file checkpoints
    prediction   what the user says of it, or auto
    vae          another autoencoder than its own: file, folder or hub name
    """

    clip_skip: int = 1
    max_tokens: int = 75
    dtype: torch.dtype = torch.float32
    tokenizer: str = ""
    prediction: str = "auto"
    vae: str = ""


@dataclass
class _Found:
    family: str
    unet: nn.Module
    vae: nn.Module
    texts: list[nn.Module]
    tokenizers: list[Any]
    schedule: dict[str, Any] = field(default_factory=dict[str, Any])


def load(base: str, offline: bool, want: Want | None = None, known: FileDigests | None = None) -> Backbone:
    """Loads a base model on the CPU, frozen.

    Raises InputError for what cannot be trained and MissingError for what is not on this machine.
    """
    want = want or Want()
    place = located(base, offline)
    if want.tokenizer and place.is_dir():
        raise InputError(f"tokenizer has no effect: {base} has its own")
    found = _from_folder(place, base, want) if place.is_dir() else _from_file(place, want, offline)
    config: Any = found.unet.config
    vae_config: Any = found.vae.config
    scaling = float(vae_config["scaling_factor"])
    if want.vae:
        found.vae = load_vae(want.vae, scaling, offline)
    prediction: Prediction = "v" if found.schedule.get("prediction_type") == "v_prediction" else "epsilon"
    return FAMILIES[found.family](
        name=base,
        parts={**{f"te{i}": text for i, text in enumerate(found.texts, 1)}, "unet": found.unet},
        vae=found.vae,
        texts=_texts(found, want),
        resolution=int(config["sample_size"]) * 8,
        prediction=prediction,
        ztsnr=bool(found.schedule.get("rescale_betas_zero_snr")),
        digest=base_digest(base, offline, known),
        vae_digest=vae_digest(want.vae, offline, known) if want.vae else _own_vae_digest(place, known),
        scaling=scaling,
        schedule=found.schedule,
        hashes=_hashes(place, "sd_model", known) | _hashes(Path(want.vae).expanduser(), "vae", known),
    )


def _hashes(file: Path, what: str, known: FileDigests | None) -> dict[str, str]:
    """kohya's hashes of a model that is one file; a folder has none."""
    if not file.is_file():
        return {}
    return {f"{what}_hash": legacy_digest(file), f"new_{what}_hash": file_digest(file, known)}


def _own_vae_digest(place: Path, known: FileDigests | None) -> str:
    """Of the autoencoder's own files, or of the whole checkpoint that holds it."""
    files = [place] if place.is_file() else sorted(p for p in (place / "vae").glob("*") if p.is_file())
    return text_digest(*(file_digest(p, known) for p in files))


def _texts(found: _Found, want: Want) -> list[ClipText]:
    if found.family == "sdxl":
        # both encoders are read one layer before the end, without the final norm; clip skip has no say
        pads = [int(t.pad_token_id) for t in found.tokenizers]
        pairs = zip(found.texts, found.tokenizers, pads, strict=True)
        return [ClipText(model, tokenizer, want.max_tokens, 2, False, pad) for model, tokenizer, pad in pairs]
    skip = want.clip_skip if want.clip_skip > 1 else 0
    layers = int(found.texts[0].config.num_hidden_layers)  # pyright: ignore[reportArgumentType, reportAttributeAccessIssue]
    if skip > layers:
        raise InputError(f"clip_skip {skip} is more than the {layers} layers of the base's text encoder")
    pad = int(found.tokenizers[0].pad_token_id)
    return [ClipText(found.texts[0], found.tokenizers[0], want.max_tokens, skip, True, pad)]


def _from_folder(place: Path, base: str, want: Want) -> _Found:
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
    from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
    from transformers import CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

    index = read_json(place / "model_index.json")
    xl = folder_family(index, base, False) == "sdxl"
    given: dict[str, Any] = {"local_files_only": True}
    with quiet(), whole(place):
        unet = UNet2DConditionModel.from_pretrained(place / "unet", torch_dtype=want.dtype, **given)
        vae = AutoencoderKL.from_pretrained(place / "vae", torch_dtype=torch.float32, **given)
        texts: list[Any] = [CLIPTextModel.from_pretrained(place / "text_encoder", dtype=want.dtype, **given)]
        tokenizers = [CLIPTokenizer.from_pretrained(place / "tokenizer", **given)]
        if xl:
            texts.append(
                CLIPTextModelWithProjection.from_pretrained(place / "text_encoder_2", dtype=want.dtype, **given)
            )
            tokenizers.append(CLIPTokenizer.from_pretrained(place / "tokenizer_2", **given))
    if int(unet.config["in_channels"]) != 4:
        raise InputError(
            f"{base} is an inpainting or editing model: its UNet takes {unet.config['in_channels']} channels"
        )
    for model in (unet, vae, *texts):
        model.requires_grad_(False).eval()
    schedule = read_json(place / "scheduler" / "scheduler_config.json")
    family = folder_family(index, base, bool(unet.config["use_linear_projection"]))
    return _Found(family, unet, vae, texts, tokenizers, schedule)


@contextlib.contextmanager
def whole(place: Path) -> Generator[None]:
    """Says which folder is not whole where a part of it cannot be loaded. Raises InputError."""
    try:
        yield
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        raise InputError(f"{place} is no whole diffusers model: {str(error)[:300]}", "fetch the model again") from error


def _from_file(place: Path, want: Want, offline: bool) -> _Found:
    parts = load_parts(place, want.dtype)
    schedule: dict[str, Any] = {"prediction_type": "epsilon", "rescale_betas_zero_snr": "ztsnr" in parts.marks}
    said = yaml_prediction(place)
    if "v_pred" in parts.marks or said == "v":
        schedule["prediction_type"] = "v_prediction"
    elif parts.family == "sd2" and not said and want.prediction == "auto":
        raise InputError(
            f"{place.name} does not say whether it predicts epsilon or v",
            "set prediction, or put its .yaml file beside it",
        )
    return _Found(
        parts.family, parts.unet, parts.vae, parts.texts, _tokenizers(parts.family, place, want, offline), schedule
    )


def _tokenizers(family: str, place: Path, want: Want, offline: bool) -> list[Any]:
    """CLIP's tokenizer; a second for SDXL, and SD 2's, pad with id 0."""
    loaded = [tokenizer(want.tokenizer, place, offline) for _ in range(2 if family == "sdxl" else 1)]
    if family != "sd1":
        loaded[-1].pad_token = loaded[-1].convert_ids_to_tokens(0)
    return loaded
