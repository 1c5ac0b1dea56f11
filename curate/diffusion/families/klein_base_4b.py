"""FLUX.2 klein base 4B; a klein of another size than 9B counts as one too."""

from __future__ import annotations

from curate.diffusion.family import FlowFamily
from curate.diffusion.flux2_klein import Klein
from curate.diffusion.networks import flux2_network


class Klein4B(Klein):
    """FLUX.2 klein 4B, not its distilled sibling without "base" in its name, which has the same layers."""

    family = FlowFamily(
        title="FLUX.2 klein 4B",
        order=7,
        pipelines=("Flux2KleinPipeline",),
        parts={"transformer": "Flux2Transformer2DModel", "text_encoder": "qwen3", "vae": "AutoencoderKLFlux2"},
        channels=128,
        factor=16,
        caption_tokens=512,
        blocks=25,
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
        whole_keys=("double_stream_modulation_img.lin.weight",),
        relatives={"guidance_in.": "FLUX.2 dev"},
        distilled=(r"klein",),
        undistilled=(r"klein.*base", r"base.*klein"),
        versions=("Flux.2-klein-4b", "Flux.2-klein-4b"),
        architectures=("Flux.2-klein-4b", "Flux.2-klein-4b"),
        implementation="https://github.com/black-forest-labs/flux2",
        parameters=3_875_544_576,
        forward=(1.537e-3, 1.911e-8),
        backward=(1.53e-3, 4.81e-8),
        caption_pixels=2048,
        kept=7.1e-4,
        kept_checkpointed=3.72e-5,
        names=(r"klein.*(?<!\d)4b", r"(?<!\d)4b.*klein"),
        common={"black-forest-labs/FLUX.2-klein-base-4B": "FLUX.2 klein 4B, photos and drawings by sentences"},
        least_gib=10,
        kohya=("flux_2_train_network", "flux_2", "klein-base-4b", "klein-4b"),
        ai_toolkit=("flux2_klein_4b",),
        prompting="natural",
        guides={
            "klein-4b": (
                "for FLUX.2 klein 4B: rank and alpha 32, AdamW 1e-4, 3000 steps at 512, 768 and 1024, fp8 base",
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
        },
        memory=(
            (
                0,
                "The base in 8 bits and gradient checkpointing make room for 1024 on a small card.",
                {"batch": 1, "gradient_checkpointing": True, "base_precision": "fp8"},
            ),
            (
                16,
                "One picture at a time fits with gradient checkpointing.",
                {"batch": 1, "gradient_checkpointing": True},
            ),
            (
                24,
                "Two pictures at a time fit with gradient checkpointing.",
                {"batch": 2, "gradient_checkpointing": True},
            ),
        ),
    )
    network = flux2_network.NETWORK
