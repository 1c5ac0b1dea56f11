"""Stable Diffusion 1.x: one text encoder, epsilon or v-prediction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from typing_extensions import override

from curate.adapters.layer_name import LayerName
from curate.diffusion.base import Conditions
from curate.diffusion.checkpoint_file import clip_of
from curate.diffusion.family import Family
from curate.diffusion.layer_names import text_layer_names, unet_layer_names
from curate.diffusion.shape import text_layers, unet_shape
from curate.diffusion.stable_diffusion import StableDiffusion


class Sd1(StableDiffusion):
    """SD 1.x."""

    family = Family(
        title="SD 1.x",
        order=1,
        pipelines=("StableDiffusionPipeline",),
        configuration={"unet": {"use_linear_projection": False}},
        keys=(
            "cond_stage_model.transformer.text_model.final_layer_norm.weight",
            "cond_stage_model.transformer.final_layer_norm.weight",
        ),
        resolution=512,
        blocks=25,
        clip_skip=True,
        versions=("sd_v1", "sd_v1"),
        architectures=("stable-diffusion-v1", "stable-diffusion-v1"),
        encoder_layer=True,
        texts=({"hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12, "num_attention_heads": 12},),
        unet={"cross_attention_dim": 768},
        parameters=859_520_964,
        forward=(1.664e-4, 7.256e-9),
        backward=(1.677e-4, 1.821e-8),
        kept=1.757e-4,
        kept_checkpointed=3.5e-5,
        names=(
            r"stable-diffusion-v?1",
            r"sd-?v?1[-_.]?[45]",
            r"\bv1-5",
            "anything",
            "counterfeit",
            "abyssorange",
            "meina",
        ),
        checkpoint_texts=(("cond_stage_model.transformer.", "clip"),),
        comfyui_texts=("clip_l",),
        common={"stable-diffusion-v1-5/stable-diffusion-v1-5": "SD 1.5"},
        ai_toolkit=("sd1",),
        memory=(
            (
                0,
                "Gradient checkpointing makes room on a small card, for a fifth more time.",
                {"batch": 1, "gradient_checkpointing": True},
            ),
            (6, "Two pictures at a time fit 8 GiB at the base's own resolution.", {"batch": 2}),
            (10, "More pictures at a time make steadier steps; more than 4 need a higher learning rate.", {"batch": 4}),
        ),
    )

    @override
    @classmethod
    def text_models(cls, state: Mapping[str, Tensor], dtype: torch.dtype) -> list[nn.Module]:
        return [clip_of(state, "cond_stage_model.transformer.", dtype)]

    @override
    @classmethod
    def unet_configuration(cls, state: Mapping[str, Tensor]) -> dict[str, Any]:
        own = {"transformer_layers_per_block": 1, "attention_head_dim": 8, "use_linear_projection": False}
        return super().unet_configuration(state) | own

    @override
    def layer_names(self) -> list[LayerName]:
        text = text_layer_names("lora_te", "te1", text_layers(self.parts["te1"]))
        return text + unet_layer_names(unet_shape(self.parts["unet"]), original_names=False)

    @override
    def condition(self, tokens: Sequence[Tensor], sizes: Tensor | None) -> Conditions:
        context, _ = self.texts[0].encode(tokens[0])
        return Conditions(context)

    @override
    def predict(self, latents: Tensor, timesteps: Tensor, conditions: Conditions) -> Tensor:
        unet = self.parts["unet"]
        return unet(latents, timesteps, conditions.context, return_dict=False)[0]
