"""A base model without values: its layers and their shapes, from its configuration, to count and to plan with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from curate.diffusion import skeleton
from curate.diffusion.base import Backbone
from curate.diffusion.detect import Traits
from curate.diffusion.load import FAMILIES
from curate.errors import MissingError
from curate.train.network.build import plan_network
from curate.train.options import TrainOptions
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


def frame(base: Traits, name: str, place: Path | None) -> Backbone:
    """The base on the meta device: of a folder's configuration; else as its family is made."""
    names = ("text_encoder", "text_encoder_2")
    texts = [
        skeleton.text(_config(place, name) or known, projects=number > 0)
        for number, (name, known) in enumerate(zip(names, TEXTS[base.family], strict=False))
    ]
    parts: dict[str, Any] = {f"te{i}": text for i, text in enumerate(texts, 1)}
    parts["unet"] = skeleton.unet(_config(place, "unet") or UNETS[base.family])
    vae = skeleton.vae(_config(place, "vae") or VAE)
    return FAMILIES[base.family](name, parts, vae, [], base.resolution, base.prediction or "epsilon", base.ztsnr)


def _config(place: Path | None, part: str) -> dict[str, Any]:
    if place is None:
        return {}
    path = place / part / "config.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def adapter_parameters(options: TrainOptions, backbone: Backbone) -> int:
    """Numbers that a run trains, without making any of them. Raises InputError where an option fits no layer."""
    return sum(p.numel() for adapter in plan_network(options, backbone).values() for p in adapter.parameters())


def fits_memory(options: TrainOptions, backbone: Backbone) -> None:
    """Raises MissingError where the adapters alone exceed this machine's memory; nothing of them is made."""
    numbers = adapter_parameters(options, backbone)
    needed, there = numbers * 4 / memory.GIB, memory.installed()
    if there and needed > there:
        raise MissingError(
            f"the adapters have {numbers:,} numbers, {needed:.0f} GiB, and this machine has {there:.0f} GiB of memory",
            "a lower rank, or fewer layers",
        )
