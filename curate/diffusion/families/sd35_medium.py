"""Stable Diffusion 3.5 medium; 3 medium counts as one too."""

from __future__ import annotations

from typing import ClassVar

from curate.diffusion.family import FlowFamily
from curate.diffusion.networks import sd3_network
from curate.diffusion.stable_diffusion_3 import SD3


class SD35Medium(SD3):
    """SD 3.5 medium, not what was distilled from it, which has the same layers."""

    family = FlowFamily(
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
        channels=16,
        factor=8,
        caption_tokens=256,
        blocks=24,
        draw={"timestep_sampling": "logit-normal", "flow_shift": 1.0},
        sampling={"sampler": "euler", "steps": 28, "guidance": 4.5, "flow_shift": 3.0},
        distilled_sampling={"steps": 8, "guidance": 1.0},
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
        kohya=("sd3_train_network", "sd3"),
        ai_toolkit=("sd3",),
        guides={
            "sd35-medium": (
                "for SD 3.5 medium: rank 16, alpha 1, AdamW 1e-4, constant rate",
                {
                    "sd-scripts' documentation": {
                        "rank": 16,
                        "alpha": 1.0,
                        "learning_rate": 1e-4,
                        "schedule": "constant",
                        "gradient_checkpointing": True,
                    },
                    "sd-scripts' documentation, which takes its 8-bit form": {"optimizer": "adamw"},
                },
            ),
            "sd3-onetrainer": (
                "for SD 3 and 3.5 medium: OneTrainer's preset. Rank 16, alpha 1, AdamW 3e-4, batch 4 at 1024",
                {
                    "OneTrainer's preset": {
                        "rank": 16,
                        "alpha": 1.0,
                        "optimizer": "adamw",
                        "learning_rate": 3e-4,
                        "weight_decay": 0.01,
                        "schedule": "constant-with-warmup",
                        "warmup": 200,
                        "batch": 4,
                        "showings": 100,
                        "resolution": 1024,
                        "timestep_sampling": "logit-normal",
                        "flow_shift": 1.0,
                        "gradient_checkpointing": True,
                    },
                },
            ),
        },
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
    network = sd3_network.MEDIUM
    tiny_dual: ClassVar[tuple[int, ...]] = (0,)
