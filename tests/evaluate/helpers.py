"""Small DINOv2, CLIP and VGG19 models in the layout of the real ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from curate.diffusion import tiny
from curate.diffusion.library_logging import quiet

IMAGE = {"size": {"shortest_edge": 32}, "crop_size": {"height": 28, "width": 28}}
WIDTHS = (4, 4, "M", 6, 6, "M", *(6,) * 4, "M", *(8,) * 4, "M", *(8,) * 4, "M")


def make_dino(place: Path) -> Path:
    from transformers import BitImageProcessor, Dinov2Config, Dinov2Model

    torch.manual_seed(1)
    sizes = {"hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 4, "image_size": 28, "patch_size": 14}
    with quiet():
        Dinov2Model(Dinov2Config(**sizes)).save_pretrained(place)
        BitImageProcessor(**IMAGE).save_pretrained(place)
    return place


def make_clip(place: Path) -> Path:
    from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel, CLIPTokenizer

    torch.manual_seed(2)
    size = {"hidden_size": 24, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4}
    with quiet():
        tokenizer = CLIPTokenizer.from_pretrained(tiny.folder() / "tokenizer")
        text = {**size, "vocab_size": len(tokenizer), "eos_token_id": tokenizer.eos_token_id}
        config = CLIPConfig(
            text_config=text, vision_config={**size, "image_size": 28, "patch_size": 14}, projection_dim=16
        )
        CLIPModel(config).save_pretrained(place)
        CLIPImageProcessor(**IMAGE).save_pretrained(place)
        tokenizer.save_pretrained(place)
    return place


def vgg() -> Any:
    """torchvision's layers, narrow; its own class would make a classifier of 120 million weights."""
    from torchvision.models.vgg import make_layers

    torch.manual_seed(3)
    network = torch.nn.Module()
    network.features = make_layers(list(WIDTHS))
    network.classifier = torch.nn.Sequential(torch.nn.Linear(8, 2))
    return network


def make_vgg(place: Path) -> Path:
    place.mkdir(parents=True)
    save_file(vgg().state_dict(), place / "model.safetensors")
    return place


def make_models(place: Path) -> dict[str, str]:
    """Folders of the three, as the stage's options."""
    return {
        "dino": str(make_dino(place / "dino")),
        "clip": str(make_clip(place / "clip")),
        "vgg": str(make_vgg(place / "vgg")),
    }
