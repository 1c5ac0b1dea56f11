"""Stable Diffusion XL: two text encoders, a pooled state, and sizes as further conditions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from typing_extensions import override

from curate.adapters.layer_name import LayerName
from curate.diffusion.base import Conditions, LoadOptions
from curate.diffusion.checkpoint_file import UNET, clip_of, open_clip_of
from curate.diffusion.family import Family
from curate.diffusion.layer_names import text_layer_names, unet_layer_names
from curate.diffusion.shape import text_layers, unet_shape
from curate.diffusion.stable_diffusion import StableDiffusion
from curate.diffusion.text.clip_text import ClipText


class Sdxl(StableDiffusion):
    """SDXL and what was made of it (Pony, Illustrious, NoobAI …)."""

    family = Family(
        title="SDXL",
        order=3,
        pipelines=("StableDiffusionXLPipeline",),
        keys=("conditioner.embedders.1.model.ln_final.weight",),
        resolution=1024,
        scaling=0.13025,
        blocks=23,
        versions=("sdxl_base_v1-0", "sdxl_base_v1-0"),
        architectures=("stable-diffusion-xl-v1-base", "stable-diffusion-xl-v1-base"),
        implementation="https://github.com/Stability-AI/generative-models",
        texts=(
            {"hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12, "num_attention_heads": 12},
            {
                "hidden_size": 1280,
                "intermediate_size": 5120,
                "num_hidden_layers": 32,
                "num_attention_heads": 20,
                "projection_dim": 1280,
            },
        ),
        unet={
            "block_out_channels": (320, 640, 1280),
            "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
            "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
            "transformer_layers_per_block": (1, 2, 10),
            "attention_head_dim": (5, 10, 20),
            "cross_attention_dim": 2048,
            "addition_embed_type": "text_time",
            "addition_time_embed_dim": 256,
            "projection_class_embeddings_input_dim": 2816,
            "use_linear_projection": True,
        },
        parameters=2_567_463_684,
        forward=(3.796e-4, 2.017e-9),
        backward=(3.826e-4, 6.218e-9),
        kept=3.04e-4,
        kept_checkpointed=2.87e-5,
        names=("xl", "pony", "illustrious", "noob", "animagine"),
        common={
            "stabilityai/stable-diffusion-xl-base-1.0": "SDXL",
            "cagliostrolab/animagine-xl-4.0": "SDXL for anime, danbooru tags",
            "Laxhar/noobai-XL-1.1": "SDXL for anime and furry, danbooru and e621 tags",
            "OnomaAIResearch/Illustrious-xl-early-release-v0": "SDXL for anime, danbooru tags",
        },
        least_gib=8,
        guides={
            "pony": (
                "for Pony: locon rank 8, conv rank 256, alphas 4, 400 steps, effective batch 48",
                {
                    "": {
                        "algo": "locon",
                        "rank": 8,
                        "alpha": 4.0,
                        "conv_rank": 256,
                        "conv_alpha": 4.0,
                        "layer_preset": "full",
                        "scale_weight_norms": 1.0,
                        "optimizer": "adamw",
                        "learning_rate": 1e-4,
                        "schedule": "cosine",
                        "precision": "fp16",
                        "batch": 8,
                        "accumulate": 6,
                        "bucket_step": 32,
                        "multires_steps": 10,
                        "multires_discount": 0.1,
                        "shuffle": True,
                        "keep_tokens": 1,
                        "steps": 400,
                    },
                },
            ),
        },
        kohya=("sdxl_train_network", "sdxl"),
        ai_toolkit=("sdxl",),
        memory=(
            (
                0,
                "Less than 12 GiB: gradient checkpointing, the UNet alone, 768 instead of 1024 (sd-scripts' "
                "documentation: "
                "8 GB is possible, 10 is recommended).",
                {"batch": 1, "gradient_checkpointing": True, "resolution": 768, "text_lr": 0},
            ),
            (12, "Below 20 GiB 1024 needs gradient checkpointing.", {"batch": 1, "gradient_checkpointing": True}),
            (16, "Below 20 GiB 1024 needs gradient checkpointing.", {"batch": 2, "gradient_checkpointing": True}),
            (
                20,
                "Four pictures at a time fit 24 GiB with gradient checkpointing.",
                {"batch": 4, "gradient_checkpointing": True},
            ),
        ),
        checkpoint_texts=(
            ("conditioner.embedders.0.transformer.", "clip"),
            ("conditioner.embedders.1.model.", "open_clip"),
        ),
        comfyui_texts=("clip_l", "clip_g"),
        style_rate=5e-5,
        v_zero_snr=True,
    )
    pads_with_zero: ClassVar[bool] = True

    @override
    @classmethod
    def text_models(cls, state: Mapping[str, Tensor], dtype: torch.dtype) -> list[nn.Module]:
        first = clip_of(state, "conditioner.embedders.0.transformer.", dtype)
        return [first, open_clip_of(state, "conditioner.embedders.1.model.", dtype, last_but_one=False)]

    @override
    @classmethod
    def unet_configuration(cls, state: Mapping[str, Tensor]) -> dict[str, Any]:
        return {
            **super().unet_configuration(state),
            "addition_embed_type": "text_time",
            "addition_time_embed_dim": 256,
            "projection_class_embeddings_input_dim": state[f"{UNET}label_emb.0.0.weight"].shape[1],
        }

    @override
    @classmethod
    def clip_texts(cls, models: Sequence[Any], tokenizers: Sequence[Any], options: LoadOptions) -> list[ClipText]:
        """Both encoders are read one layer before the end, without the final norm; clip skip has no say."""
        pairs = zip(models, tokenizers, strict=True)
        return [ClipText(model, words, options.max_tokens, 2, False, int(words.pad_token_id)) for model, words in pairs]

    @override
    def layer_names(self) -> list[LayerName]:
        text = [s for n in (1, 2) for s in text_layer_names(f"lora_te{n}", f"te{n}", text_layers(self.parts[f"te{n}"]))]
        return text + unet_layer_names(unet_shape(self.parts["unet"]), original_names=True)

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
