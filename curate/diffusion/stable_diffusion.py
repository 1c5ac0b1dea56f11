"""What Stable Diffusion's families share: UNet, CLIP's text encoders, folders of diffusers, one-file checkpoints."""

from __future__ import annotations

import contextlib
from abc import abstractmethod
from collections.abc import Callable, Generator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from typing_extensions import override

from curate.diffusion import checkpoint_file, skeleton
from curate.diffusion.autoencoders.vae import load_vae
from curate.diffusion.base import Backbone, LoadOptions, Parts
from curate.diffusion.detect import read_json, yaml_prediction
from curate.diffusion.library_logging import quiet
from curate.diffusion.text.clip_text import ClipText
from curate.diffusion.text.tokenizer import tokenizer
from curate.errors import InputError, library_reason

TEXT_FOLDERS = ("text_encoder", "text_encoder_2")
TOKENIZER_FOLDERS = ("tokenizer", "tokenizer_2")
VAE: dict[str, Any] = {
    "block_out_channels": (128, 256, 512, 512),
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
    "layers_per_block": 2,
}
"""The autoencoder of every published model."""


class StableDiffusion(Backbone):
    """Base of the families; how many text encoders there are is the length of the declared `texts`."""

    pads_with_zero: ClassVar[bool] = False
    """Whether captions for the last text encoder of a checkpoint are padded with the id 0 instead of the end token."""

    @override
    @torch.no_grad()
    def encode(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        moments = self.vae.encode(pictures).latent_dist  # pyright: ignore[reportCallIssue]
        return moments.mean * self.scaling, moments.std * self.scaling

    @override
    @torch.no_grad()
    def decode(self, latents: Tensor) -> Tensor:
        vae: Any = self.vae
        return vae.decode(latents / self.scaling, return_dict=False)[0]

    @property
    def scaling(self) -> float:
        """What its latents are multiplied with."""
        config: Any = self.vae.config
        return float(config["scaling_factor"])

    @override
    def latent_shape(self, width: int, height: int) -> tuple[int, int, int]:
        """Those of its own autoencoder: a small one may have fewer levels."""
        config: Any = self.vae.config
        factor = 2 ** (len(config["block_out_channels"]) - 1)
        return int(config["latent_channels"]), height // factor, width // factor

    @override
    @classmethod
    def other_vae(cls, vae: str, own: nn.Module | None, offline: bool) -> nn.Module:
        config: Any = own.config if own is not None else {}
        return load_vae(vae, float(config["scaling_factor"]), offline)

    @classmethod
    @abstractmethod
    def text_models(cls, state: Mapping[str, Tensor], dtype: torch.dtype) -> list[nn.Module]:
        """The text encoders of a checkpoint. Raises KeyError for one that is not whole."""

    @classmethod
    def unet_configuration(cls, state: Mapping[str, Tensor]) -> dict[str, Any]:
        """The UNet's configuration of a checkpoint. Raises KeyError for one that is not whole."""
        return {**checkpoint_file.unet_config(state), "sample_size": cls.family.resolution // 8}

    @classmethod
    def clip_texts(cls, models: Sequence[Any], tokenizers: Sequence[Any], options: LoadOptions) -> list[ClipText]:
        """The text encoders as they are read: at clip skip's layer, with the final norm."""
        skip = options.clip_skip if options.clip_skip > 1 else 0
        layers = int(models[0].config.num_hidden_layers)
        if skip > layers:
            raise InputError(f"clip_skip {skip} is more than the {layers} layers of the base's text encoder")
        return [ClipText(models[0], tokenizers[0], options.max_tokens, skip, True, int(tokenizers[0].pad_token_id))]

    @override
    @classmethod
    def from_folder(cls, place: Path, base: str, options: LoadOptions) -> Parts:
        from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
        from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
        from transformers import CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

        given: dict[str, Any] = {"local_files_only": True}
        with quiet(), whole(place):
            unet = UNet2DConditionModel.from_pretrained(place / "unet", torch_dtype=options.dtype, **given)
            vae = AutoencoderKL.from_pretrained(place / "vae", torch_dtype=torch.float32, **given)
            texts: list[Any] = []
            for declared, folder in zip(cls.family.texts, TEXT_FOLDERS, strict=False):
                kind: Any = CLIPTextModelWithProjection if "projection_dim" in declared else CLIPTextModel
                texts.append(kind.from_pretrained(place / folder, dtype=options.dtype, **given))
            folders = TOKENIZER_FOLDERS[: len(texts)]
            tokenizers = [CLIPTokenizer.from_pretrained(place / folder, **given) for folder in folders]
        channels = int(unet.config["in_channels"])
        if channels != 4:
            raise InputError(f"{base} is an inpainting or editing model: its UNet takes {channels} channels")
        for model in (unet, vae, *texts):
            model.requires_grad_(False).eval()
        schedule = read_json(place / "scheduler" / "scheduler_config.json")
        return cls._parts(unet, vae, texts, cls.clip_texts(texts, tokenizers, options), schedule)

    @override
    @classmethod
    def from_file(cls, state: Mapping[str, Tensor], place: Path, options: LoadOptions, offline: bool) -> Parts:
        unet, vae, texts = cls.models_of(state, place.name, options.dtype)
        schedule: dict[str, Any] = {"prediction_type": "epsilon", "rescale_betas_zero_snr": "ztsnr" in state}
        said = yaml_prediction(place)
        if "v_pred" in state or said == "v":
            schedule["prediction_type"] = "v_prediction"
        elif not cls.family.prediction and not said and options.prediction == "auto":
            raise InputError(
                f"{place.name} does not say whether it predicts epsilon or v",
                "set prediction, or put its .yaml file beside it",
            )
        tokenizers = [tokenizer(options.tokenizer, place, offline) for _ in texts]
        if cls.pads_with_zero:
            tokenizers[-1].pad_token = tokenizers[-1].convert_ids_to_tokens(0)
        return cls._parts(unet, vae, texts, cls.clip_texts(texts, tokenizers, options), schedule)

    @classmethod
    def models_of(
        cls, state: Mapping[str, Tensor], file: str, dtype: torch.dtype
    ) -> tuple[nn.Module, nn.Module, list[nn.Module]]:
        """UNet, autoencoder (in float32) and text encoders of a checkpoint, frozen. Raises InputError."""
        if any(key.startswith("edm_") for key in state):
            raise InputError(f"{file} is an EDM model, which cannot be trained")
        try:
            texts = cls.text_models(state, dtype)
            unet = checkpoint_file.unet_of(state, cls.unet_configuration(state), dtype)
            return unet, checkpoint_file.vae_of(state, cls.family.scaling), texts
        except (KeyError, StopIteration, ValueError, IndexError) as error:
            raise InputError(
                f"{file} is not a complete checkpoint of {cls.family.name}: it lacks {error or 'layers'}",
                "fetch the whole model: UNet, text encoder and autoencoder in one file",
            ) from error

    @classmethod
    def _parts(
        cls, unet: Any, vae: nn.Module, models: Sequence[nn.Module], texts: list[ClipText], schedule: dict[str, Any]
    ) -> Parts:
        named = {f"te{number}": model for number, model in enumerate(models, 1)}
        return Parts({**named, "unet": unet}, vae, texts, int(unet.config["sample_size"]) * 8, schedule)

    @override
    @classmethod
    def outline(cls, configuration: Callable[[str], Mapping[str, Any]]) -> tuple[dict[str, nn.Module], nn.Module]:
        parts: dict[str, nn.Module] = {}
        for number, (folder, declared) in enumerate(zip(TEXT_FOLDERS, cls.family.texts, strict=False), 1):
            given = configuration(folder) or declared
            parts[f"te{number}"] = skeleton.text(given, projects="projection_dim" in declared)
        parts["unet"] = skeleton.unet(configuration("unet") or cls.family.unet)
        return parts, skeleton.vae(configuration("vae") or VAE)


@contextlib.contextmanager
def whole(place: Path) -> Generator[None]:
    """Says which folder is not whole where a part of it cannot be loaded. Raises InputError."""
    try:
        yield
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        raise InputError(
            f"{place} is not a complete diffusers model: {library_reason(error)}", "fetch the model again"
        ) from error
