"""FLUX.2 klein base 9B."""

from __future__ import annotations

from typing import ClassVar

from curate.diffusion.family import FlowFamily
from curate.diffusion.flux2_klein import Klein
from curate.diffusion.networks import flux2_network


class Klein9B(Klein):
    """FLUX.2 klein 9B, not its distilled sibling without "base" in its name, which has the same layers."""

    family = FlowFamily(
        title="FLUX.2 klein 9B",
        order=6,
        pipelines=("Flux2KleinPipeline",),
        parts={"transformer": "Flux2Transformer2DModel", "text_encoder": "qwen3", "vae": "AutoencoderKLFlux2"},
        channels=128,
        factor=16,
        caption_tokens=512,
        blocks=32,
        draw={"timestep_sampling": "logit-normal", "dynamic_shift": True},
        shift_line=(256, 0.5, 4096, 1.15),
        sampling={"sampler": "euler", "steps": 50, "guidance": 4.0},
        distilled_sampling={"steps": 4, "guidance": 1.0},
        file_names="diffusers",
        readers={
            "comfyui": ("diffusers", "native", "comfyui", "native-kohya", "kohya"),
            "kohya": ("kohya",),
            "diffusers": ("diffusers", "native", "comfyui", "native-kohya", "kohya"),
        },
        diffusers_lokr=("diffusers", "native", "comfyui", "lycoris"),
        whole_keys=("double_stream_modulation_img.lin.weight", "double_blocks.7.img_attn.qkv.weight"),
        configuration={"transformer": {"num_layers": 8}},
        relatives={"guidance_in.": "FLUX.2 dev"},
        distilled=(r"klein",),
        undistilled=(r"klein.*base", r"base.*klein"),
        versions=("Flux.2-klein-9b", "Flux.2-klein-9b"),
        architectures=("Flux.2-klein-9b", "Flux.2-klein-9b"),
        implementation="https://github.com/black-forest-labs/flux2",
        parameters=9_078_581_248,
        forward=(3.498e-3, 3.26e-8),
        backward=(3.481e-3, 8.22e-8),
        caption_pixels=2048,
        kept=1.208e-3,
        kept_checkpointed=6.29e-5,
        names=(r"klein.*(?<!\d)9b", r"(?<!\d)9b.*klein"),
        common={"black-forest-labs/FLUX.2-klein-base-9B": "FLUX.2 klein 9B, by sentences; non-commercial"},
        least_gib=16,
        kohya=("flux_2_train_network", "flux_2", "klein-base-9b", "klein-9b"),
        ai_toolkit=("flux2_klein_9b",),
        prompting="natural",
        guides={
            "klein-9b": (
                "for FLUX.2 klein 9B: rank and alpha 32, AdamW 1e-4, 3000 steps at 512, 768 and 1024, fp8 base",
                {
                    "musubi-tuner's documentation, ai-toolkit's preset": {"rank": 32, "learning_rate": 1e-4},
                    "ai-toolkit's preset": {
                        "alpha": 32.0,
                        "weight_decay": 1e-4,
                        "batch": 1,
                        "steps": 3000,
                        "resolution": (512, 768, 1024),
                        "caption_dropout": 0.05,
                        "base_precision": "fp8",
                    },
                    "every program's preset": {"schedule": "constant", "gradient_checkpointing": True},
                    "musubi-tuner's documentation, ai-toolkit's preset, which take its 8-bit form": {
                        "optimizer": "adamw"
                    },
                    "musubi-tuner's documentation, OneTrainer's preset": {
                        "timestep_sampling": "logit-normal",
                        "dynamic_shift": True,
                    },
                },
            ),
            "klein-9b-onetrainer": (
                "for FLUX.2 klein 9B: OneTrainer's preset. Rank 16, alpha 1, AdamW 3e-5, batch 2 at 512, int8 base",
                {
                    "OneTrainer's preset": {
                        "rank": 16,
                        "alpha": 1.0,
                        "optimizer": "adamw",
                        "learning_rate": 3e-5,
                        "weight_decay": 0.01,
                        "schedule": "constant-with-warmup",
                        "warmup": 200,
                        "batch": 2,
                        "showings": 100,
                        "resolution": 512,
                        "timestep_sampling": "logit-normal",
                        "dynamic_shift": True,
                        "base_precision": "int8",
                        "gradient_checkpointing": True,
                    },
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
                32,
                "One picture at a time fits with gradient checkpointing.",
                {"batch": 1, "gradient_checkpointing": True},
            ),
        ),
    )
    network = flux2_network.LARGE
    tiny_blocks: ClassVar[int] = 8
