"""Stable Diffusion XL: two text encoders, a pooled state, and sizes as further conditions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor
from typing_extensions import override

from curate.diffusion.base import Backbone, Conditions
from curate.diffusion.layer_names import Site, text_sites, unet_sites
from curate.diffusion.shape import text_layers, unet_shape


class Sdxl(Backbone):
    """SDXL and what was made of it (Pony, Illustrious, NoobAI …)."""

    family: ClassVar[str] = "sdxl"
    version: ClassVar[str] = "sdxl_base_v1-0"
    architecture: ClassVar[str] = "stable-diffusion-xl-v1-base"
    implementation: ClassVar[str] = "https://github.com/Stability-AI/generative-models"

    @override
    def sites(self) -> list[Site]:
        text = [s for n in (1, 2) for s in text_sites(f"lora_te{n}", f"te{n}", text_layers(self.parts[f"te{n}"]))]
        return text + unet_sites(unet_shape(self.parts["unet"]), original_names=True)

    @override
    def condition(self, tokens: Sequence[Tensor], sizes: Tensor | None) -> Conditions:
        first, _ = self.texts[0].encode(tokens[0])
        second, pooled = self.texts[1].encode(tokens[1])
        projection: Any = self.parts["te2"]
        return Conditions(torch.cat([first, second], dim=-1), projection.text_projection(pooled), sizes)

    @override
    def predict(self, latents: Tensor, timesteps: Tensor, conditions: Conditions) -> Tensor:
        assert conditions.pooled is not None and conditions.sizes is not None
        added = {"text_embeds": conditions.pooled, "time_ids": conditions.sizes.to(conditions.pooled.dtype)}
        unet = self.parts["unet"]
        return unet(latents, timesteps, conditions.context, added_cond_kwargs=added, return_dict=False)[0]
