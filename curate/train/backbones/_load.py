"""From what the user calls the base (a name, a folder, a hub name) to a loaded backbone."""

from __future__ import annotations

import json
from typing import Any

import torch

from curate.errors import InputError
from curate.train.backbones._base import Backbone, Prediction
from curate.train.backbones.sd import Sd1
from curate.train.base import base_digest, located
from curate.train.digests import Known, file_digest, text_digest
from curate.train.quiet import quiet
from curate.train.text import ClipText


def load(base: str, offline: bool, clip_skip: int = 1, max_tokens: int = 75, known: Known | None = None) -> Backbone:
    """Loads a base model on the CPU in float32, frozen."""
    place = located(base, offline)
    index: dict[str, Any] = json.loads((place / "model_index.json").read_text(encoding="utf-8"))
    kind = str(index.get("_class_name"))
    if kind != "StableDiffusionPipeline":
        raise InputError(f"{base} is a {kind}, which cannot be trained", "SD 1.x models can")
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
    from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
    from transformers import CLIPTextModel, CLIPTokenizer

    with quiet():
        unet = UNet2DConditionModel.from_pretrained(place / "unet", torch_dtype=torch.float32, local_files_only=True)
        vae = AutoencoderKL.from_pretrained(place / "vae", torch_dtype=torch.float32, local_files_only=True)
        text = CLIPTextModel.from_pretrained(place / "text_encoder", dtype=torch.float32, local_files_only=True)
        tokenizer = CLIPTokenizer.from_pretrained(place / "tokenizer", local_files_only=True)
    for model in (unet, vae, text):
        model.requires_grad_(False).eval()
    schedule: dict[str, Any] = json.loads((place / "scheduler" / "scheduler_config.json").read_text(encoding="utf-8"))
    prediction: Prediction = "v" if schedule.get("prediction_type") == "v_prediction" else "epsilon"
    return Sd1(
        name=base,
        parts={"te1": text, "unet": unet},
        vae=vae,
        texts=[ClipText(text, tokenizer, max_tokens, clip_skip if clip_skip > 1 else 0)],
        resolution=int(unet.config["sample_size"]) * 8,
        prediction=prediction,
        digest=base_digest(base, offline, known),
        vae_digest=text_digest(*(file_digest(p, known) for p in sorted((place / "vae").glob("*.safetensors")))),
        scaling=float(vae.config["scaling_factor"]),
        schedule=schedule,
    )
