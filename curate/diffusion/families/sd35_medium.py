"""Stable Diffusion 3.5 medium; 3 medium counts as one too."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from curate.diffusion.family import Family
from curate.diffusion.networks import sd3_network
from curate.diffusion.stable_diffusion_3 import SD3


class SD35Medium(SD3):
    """SD 3.5 medium, not what was distilled from it, which has the same layers."""

    family = Family(
        title="SD 3.5 medium",
        order=11,
        pipelines=("StableDiffusion3Pipeline",),
        components=(
            "transformer",
            "text_encoder",
            "text_encoder_2",
            "text_encoder_3",
            "tokenizer",
            "tokenizer_2",
            "tokenizer_3",
            "vae",
            "scheduler",
        ),
        parts={
            "transformer": "SD3Transformer2DModel",
            "text_encoder": "clip_text_model",
            "text_encoder_2": "clip_text_model",
            "text_encoder_3": "t5",
            "vae": "AutoencoderKL",
        },
        core="transformer",
        objective="flow",
        prediction="flow",
        resolution=1024,
        channels=16,
        factor=8,
        step=16,
        stored_text=True,
        caption_tokens=256,
        precisions=("fp32", "bf16"),
        layers="unet-transformer-only",
        convolutions=False,
        blocks=24,
        draw={"timestep_sampling": "logit-normal", "flow_shift": 1.0},
        sampling={"sampler": "euler", "steps": 28, "guidance": 4.5, "flow_shift": 3.0},
        file_names="diffusers",
        readers={
            "comfyui": ("diffusers", "native", "comfyui", "native-kohya", "kohya", "lycoris"),
            "kohya": ("native-kohya", "kohya"),
            "diffusers": ("diffusers",),
        },
        whole_keys=("joint_blocks.0.context_block.attn.qkv.weight",),
        distilled=(r"turbo", r"flash"),
        undistilled=(r"(large|medium)(?!.*(turbo|flash))",),
        versions=("sd3.5-medium", "sd3.5-medium"),
        architectures=("stable-diffusion-3-5-medium", "stable-diffusion-3-5-medium"),
        implementation="https://github.com/Stability-AI/sd3.5",
        parameters=2_243_171_520,
        forward=(3.8e-4, 1.43e-8),
        backward=(3.7e-4, 2.85e-8),
        caption_pixels=1332,
        kept=3.7e-4,
        kept_checkpointed=1.8e-5,
        names=(r"(stable[-_ ]?diffusion|(?<![a-z])sd)[-_ ]?3(?!.*large)",),
        common={
            "stabilityai/stable-diffusion-3.5-medium": "SD 3.5 medium, photos and drawings by sentences",
        },
        least_gib=10,
        prompting="natural",
        memory=(
            (
                0,
                "Gradient checkpointing makes room for 1024 on a small card, for a third more time.",
                {"batch": 1, "gradient_checkpointing": True},
            ),
            (
                16,
                "Two pictures at a time fit with gradient checkpointing.",
                {"batch": 2, "gradient_checkpointing": True},
            ),
        ),
    )
    network: ClassVar[Mapping[str, Any]] = sd3_network.MEDIUM
    tiny_dual: ClassVar[tuple[int, ...]] = (0,)
