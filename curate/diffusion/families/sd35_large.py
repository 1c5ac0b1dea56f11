"""Stable Diffusion 3.5 large."""

from __future__ import annotations

from typing import ClassVar

from curate.diffusion.family import FlowFamily
from curate.diffusion.networks import sd3_network
from curate.diffusion.stable_diffusion_3 import SD3


class SD35Large(SD3):
    """SD 3.5 large, not its distilled sibling turbo, which has the same layers."""

    family = FlowFamily(
        title="SD 3.5 large",
        order=10,
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
        blocks=38,
        draw={"timestep_sampling": "logit-normal", "flow_shift": 1.0},
        sampling={"sampler": "euler", "steps": 28, "guidance": 4.5, "flow_shift": 3.0},
        distilled_sampling={"steps": 4, "guidance": 1.0},
        file_names="diffusers",
        readers={
            "comfyui": ("diffusers", "native", "comfyui", "native-kohya", "kohya", "lycoris"),
            "kohya": ("native-kohya", "kohya"),
            "diffusers": ("diffusers",),
        },
        whole_keys=("joint_blocks.0.context_block.attn.qkv.weight", "joint_blocks.37."),
        configuration={"transformer": {"dual_attention_layers": False, "qk_norm": "rms_norm"}},
        distilled=(r"turbo", r"flash"),
        undistilled=(r"(large|medium)(?!.*(turbo|flash))",),
        versions=("sd3.5-large", "sd3.5-large"),
        architectures=("stable-diffusion-3-5-large", "stable-diffusion-3-5-large"),
        implementation="https://github.com/Stability-AI/sd3.5",
        parameters=8_056_627_520,
        forward=(1.35e-3, 2.31e-8),
        backward=(1.34e-3, 4.63e-8),
        caption_pixels=1332,
        kept=7e-4,
        kept_checkpointed=4.4e-5,
        names=(r"(stable[-_ ]?diffusion|(?<![a-z])sd)[-_ ]?3.*large",),
        common={
            "stabilityai/stable-diffusion-3.5-large": "SD 3.5 large, photos and drawings by sentences",
        },
        least_gib=16,
        prompting="natural",
        kohya=("sd3_train_network", "sd3"),
        ai_toolkit=("sd3",),
        guides={
            "sd35-large": (
                "for SD 3.5 large: rank and alpha 16, AdamW 1e-4, 2000 steps at 1024, noise drawn evenly, fp8 base",
                {
                    "ai-toolkit's example, sd-scripts' documentation": {"rank": 16, "gradient_checkpointing": True},
                    "ai-toolkit's example, sd-scripts' and SimpleTuner's documentation": {"learning_rate": 1e-4},
                    "ai-toolkit's example": {
                        "alpha": 16.0,
                        "batch": 1,
                        "steps": 2000,
                        "resolution": 1024,
                        "caption_dropout": 0.05,
                        "timestep_sampling": "uniform",
                        "flow_shift": 1.0,
                        "base_precision": "fp8",
                    },
                    "ai-toolkit's example, sd-scripts' documentation, which take its 8-bit form": {
                        "optimizer": "adamw"
                    },
                    "sd-scripts' documentation": {"schedule": "constant"},
                    "SimpleTuner's documentation, against its instability": {"max_grad_norm": 0.1},
                },
            ),
        },
        memory=(
            (
                0,
                "The base in 8 bits and gradient checkpointing make room for 1024 on a small card.",
                {"batch": 1, "gradient_checkpointing": True, "base_precision": "fp8"},
            ),
            (
                24,
                "One picture at a time fits with gradient checkpointing.",
                {"batch": 1, "gradient_checkpointing": True},
            ),
        ),
    )
    network = sd3_network.NETWORK
    tiny_dual: ClassVar[tuple[int, ...]] = ()
