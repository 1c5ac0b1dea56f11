"""Stable Diffusion 1.x and 2.x: one text encoder, epsilon or v-prediction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from torch import Tensor
from typing_extensions import override

from curate.diffusion.base import Backbone, Conditions
from curate.diffusion.layer_names import Site, text_sites, unet_sites
from curate.diffusion.shape import text_layers, unet_shape


class Sd1(Backbone):
    """SD 1.x."""

    family: ClassVar[str] = "sd1"
    version: ClassVar[str] = "sd_v1"
    architecture: ClassVar[str] = "stable-diffusion-v1"

    @override
    def sites(self) -> list[Site]:
        text = text_sites("lora_te", "te1", text_layers(self.parts["te1"]))
        return text + unet_sites(unet_shape(self.parts["unet"]), original_names=False)

    @override
    def condition(self, tokens: Sequence[Tensor], sizes: Tensor | None) -> Conditions:
        context, _ = self.texts[0].encode(tokens[0])
        return Conditions(context)

    @override
    def predict(self, latents: Tensor, timesteps: Tensor, conditions: Conditions) -> Tensor:
        unet = self.parts["unet"]
        return unet(latents, timesteps, conditions.context, return_dict=False)[0]
