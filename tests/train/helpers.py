"""The tiny base model with adapters on it, and what they do to its answer."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from curate.adapters import key_names
from curate.adapters.layer_name import LayerName
from curate.adapters.lora_file import Layers
from curate.diffusion.base import Backbone
from curate.diffusion.load import load
from curate.train.network.build import attach
from curate.train.network.network import Network
from curate.train.options import TrainOptions


def shaken(options: dict[str, Any]) -> tuple[Backbone, Network]:
    """The tiny base with adapters away from the start."""
    backbone = load("tiny", offline=True)
    network = attach(TrainOptions(**options), backbone)
    torch.manual_seed(5)
    with torch.no_grad():
        for _, parameter in network.named_parameters():
            parameter.add_(torch.randn_like(parameter) * 0.05)
    network.train(False)
    return backbone, network


def effect(backbone: Backbone) -> Tensor:
    """The UNet's answer to a caption and a latent."""
    torch.manual_seed(6)
    latents = torch.randn(1, 4, 16, 16)
    with torch.no_grad():
        conditions = backbone.condition([t[None] for t in backbone.tokens("zwx dog, white background")], None)
        return backbone.predict(latents, torch.tensor([400]), conditions)


def kohya_layers(backbone: Backbone) -> dict[str, nn.Module]:
    """Layers by the names that kohya and LyCORIS derive from modules, with transformers 4's `text_model` level."""
    roots = {"lora_unet": backbone.parts["unet"], "lora_te_text_model": backbone.parts["te1"]}
    return {f"{p}_{n}".replace(".", "_"): m for p, root in roots.items() for n, m in root.named_modules()}


def by_layer(tensors: Mapping[str, Tensor], layer_names: Iterable[LayerName]) -> Layers:
    """Tensors by our name of the layer and by suffix; each is of a layer."""
    layers, unknown = key_names.by_layer(tensors, key_names.aliases(layer_names))
    assert not unknown
    return {name: {suffix: tensors[key] for suffix, key in held.items()} for name, held in layers.items()}


@functools.cache
def base_model() -> Backbone:
    return load("tiny", offline=True)
