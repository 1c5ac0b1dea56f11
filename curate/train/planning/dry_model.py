"""A base model without values: its layers and their shapes, from its configuration, to count and to plan with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

from curate.adapters.base import Shape
from curate.diffusion import skeleton
from curate.diffusion.base import Backbone
from curate.diffusion.detect import Traits
from curate.diffusion.layer_names import chosen
from curate.diffusion.load import FAMILIES
from curate.diffusion.locate import located
from curate.errors import MissingError
from curate.train.network import plan
from curate.train.network.build import Layers, kept, made
from curate.train.options import TrainOptions, resolve
from curate.train.runtime import memory

CLIP_L: dict[str, Any] = {
    "hidden_size": 768,
    "intermediate_size": 3072,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
}
CLIP_H: dict[str, Any] = {
    "hidden_size": 1024,
    "intermediate_size": 4096,
    "num_hidden_layers": 23,
    "num_attention_heads": 16,
}
CLIP_G: dict[str, Any] = {
    "hidden_size": 1280,
    "intermediate_size": 5120,
    "num_hidden_layers": 32,
    "num_attention_heads": 20,
}
TEXTS = {"sd1": [CLIP_L], "sd2": [CLIP_H], "sdxl": [CLIP_L, {**CLIP_G, "projection_dim": 1280}]}
_WIDE: dict[str, Any] = {"use_linear_projection": True}
UNETS: dict[str, dict[str, Any]] = {
    "sd1": {"cross_attention_dim": 768},
    "sd2": {"cross_attention_dim": 1024, "attention_head_dim": (5, 10, 20, 20), **_WIDE},
    "sdxl": {
        "block_out_channels": (320, 640, 1280),
        "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        "transformer_layers_per_block": (1, 2, 10),
        "attention_head_dim": (5, 10, 20),
        "cross_attention_dim": 2048,
        "addition_embed_type": "text_time",
        "addition_time_embed_dim": 256,
        "projection_class_embeddings_input_dim": 2816,
        **_WIDE,
    },
}
VAE: dict[str, Any] = {
    "block_out_channels": (128, 256, 512, 512),
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
    "layers_per_block": 2,
}


def frame(options: TrainOptions, base: Traits, offline: bool) -> Backbone:
    """The base on the meta device: of a folder's configuration, of a checkpoint as its family is made."""
    place = located(options.base, offline)
    names = ("text_encoder", "text_encoder_2")
    texts = [
        skeleton.text(_config(place, name) or known, projects=number > 0)
        for number, (name, known) in enumerate(zip(names, TEXTS[base.family], strict=False))
    ]
    parts: dict[str, Any] = {f"te{i}": text for i, text in enumerate(texts, 1)}
    parts["unet"] = skeleton.unet(_config(place, "unet") or UNETS[base.family])
    vae = skeleton.vae(_config(place, "vae") or VAE)
    return FAMILIES[base.family](
        options.base, parts, vae, [], base.resolution, base.prediction or "epsilon", base.ztsnr
    )


def _config(place: Path, part: str) -> dict[str, Any]:
    path = place / part / "config.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def adapter_parameters(options: TrainOptions, backbone: Backbone) -> int:
    """Numbers that a run trains, without making any of them. Raises InputError where an option fits no layer."""
    sites = kept(options, chosen(backbone.sites(), resolve.preset(options)))
    layers, total = Layers(options, backbone.sites(), sites), 0
    with torch.device("meta"):
        for site in sites:
            layer = backbone.layer(site)
            found = layers.plan(site, Shape.of(layer)) if layer is not None and plan.rate(options, site) else None
            if layer is not None and found is not None:
                total += sum(p.numel() for p in made(site, Shape.of(layer), *found).parameters())
    return total


def fits_memory(options: TrainOptions, backbone: Backbone) -> None:
    """Raises MissingError where the adapters alone exceed this machine's memory; nothing of them is made."""
    numbers = 0 if options.rank_from_file else adapter_parameters(options, backbone)
    needed, there = numbers * 4 / memory.GIB, memory.installed()
    if there and needed > there:
        raise MissingError(
            f"the adapters have {numbers:,} numbers, {needed:.0f} GiB, and this machine has {there:.0f} GiB of memory",
            "a lower rank, or fewer layers",
        )
