"""Writes models as a folder of diffusers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from curate.diffusion.library_logging import quiet


def write_models(place: Path, unet: Any, text: Any, vae: Any, scheduler: Mapping[str, Any]) -> None:
    """Writes a model of the SD 1.x architecture to `place`, all but its tokenizer."""
    with quiet():
        for name, model in (("unet", unet), ("text_encoder", text), ("vae", vae)):
            model.save_pretrained(place / name, safe_serialization=True)
    write_json(place / "scheduler" / "scheduler_config.json", scheduler)
    index = {
        "_class_name": "StableDiffusionPipeline",
        "scheduler": ["diffusers", "DDPMScheduler"],
        "text_encoder": ["transformers", "CLIPTextModel"],
        "tokenizer": ["transformers", "CLIPTokenizer"],
        "unet": ["diffusers", "UNet2DConditionModel"],
        "vae": ["diffusers", "AutoencoderKL"],
        "feature_extractor": [None, None],
        "safety_checker": [None, None],
        "requires_safety_checker": False,
    }
    write_json(place / "model_index.json", index)


def write_json(path: Path, value: object) -> None:
    """Writes JSON with sorted keys: the same bytes everywhere."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=1, ensure_ascii=False, sort_keys=True), encoding="utf-8")
