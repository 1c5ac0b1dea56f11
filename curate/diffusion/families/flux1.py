"""FLUX.1 dev: a double-stream transformer that reads T5 and CLIP, and is told the guidance as a number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from typing_extensions import override

from curate.diffusion import flux_layers, tiny_parts, tiny_text
from curate.diffusion.autoencoders import flux_vae
from curate.diffusion.base import Conditions
from curate.diffusion.family import FlowFamily
from curate.diffusion.flow_transformer import FlowTransformer
from curate.diffusion.layer_tables import Blocks
from curate.diffusion.networks import flux_network
from curate.diffusion.patches import to_latents, to_tokens
from curate.diffusion.text.caption_encoder import TextStates
from curate.diffusion.text.flux_text import FluxText

DOUBLE: Blocks = {
    **flux_layers.ATTENTION,
    **flux_layers.FEED_FORWARD,
    "norm1.linear": ("img_mod.lin", "time"),
    "norm1_context.linear": ("txt_mod.lin", "time"),
}
SINGLE: Blocks = {**flux_layers.SINGLE, "norm.linear": ("modulation.lin", "time")}
# without norm_out.linear, whose halves the original model has in the other order
EDGES: Blocks = {
    ours: (theirs, "time" if ours.startswith("time") else "edge") for theirs, ours in flux_network.PARTS[""].items()
}


class Flux1(FlowTransformer):
    """FLUX.1 dev and what was trained from it; not schnell, which is not told a guidance, nor Fill, Depth and Canny."""

    family = FlowFamily(
        title="FLUX.1 dev",
        order=13,
        pipelines=("FluxPipeline",),
        components=("transformer", "text_encoder", "text_encoder_2", "tokenizer", "tokenizer_2", "vae", "scheduler"),
        parts={
            "transformer": "FluxTransformer2DModel",
            "text_encoder": "clip_text_model",
            "text_encoder_2": "t5",
            "vae": "AutoencoderKL",
        },
        channels=16,
        factor=8,
        caption_tokens=512,
        blocks=57,
        draw={"timestep_sampling": "logit-normal", "dynamic_shift": True},
        shift_line=(256, 0.5, 4096, 1.15),
        sampling={"sampler": "euler", "steps": 28, "guidance": 3.5},
        embedded_guidance=1.0,
        file_names="diffusers",
        readers={
            "comfyui": ("diffusers", "native", "comfyui", "native-kohya", "kohya"),
            "kohya": ("native-kohya", "kohya"),
            "diffusers": ("diffusers", "native-kohya", "kohya"),
        },
        whole_keys=("vector_in.in_layer.weight", "guidance_in.in_layer.weight"),
        shapes={"img_in.weight": (0, 64)},
        configuration={"transformer": {"guidance_embeds": True}},
        versions=("flux1", "flux1"),
        architectures=("flux-1-dev", "flux-1-dev"),
        implementation="https://github.com/black-forest-labs/flux",
        parameters=11_901_408_320,
        forward=(3.231e-3, 4.371e-8),
        backward=(3.222e-3, 1.096e-7),
        caption_pixels=2048,
        kept=1.09e-3,
        kept_checkpointed=8.3e-5,
        names=(r"flux[-_. ]?1(?!.*(fill|kontext|canny|depth|redux))[^/]*dev", r"flux[-_. ]?1?[-_. ]?d(ev)?(?![a-z])"),
        common={"black-forest-labs/FLUX.1-dev": "FLUX.1 dev, photos and drawings by sentences; non-commercial"},
        least_gib=16,
        kohya=("flux_train_network", "flux", "flux"),
        ai_toolkit=("flux",),
        prompting="natural",
        guides={
            "flux1-onetrainer": (
                "for FLUX.1 dev: OneTrainer's preset. Rank 16, alpha 1, AdamW 3e-4, batch 4 at 768, nf4 base",
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
                        "resolution": 768,
                        "timestep_sampling": "logit-normal",
                        "dynamic_shift": True,
                        "base_precision": "nf4",
                        "gradient_checkpointing": True,
                    },
                },
            ),
        },
        memory=(
            (
                0,
                "The base in 4 bits and gradient checkpointing make room for 1024 on a small card.",
                {"batch": 1, "gradient_checkpointing": True, "base_precision": "nf4"},
            ),
            (
                24,
                "The base in 8 bits and gradient checkpointing make room for 1024.",
                {"batch": 1, "gradient_checkpointing": True, "base_precision": "fp8"},
            ),
            (
                40,
                "One picture at a time fits with gradient checkpointing.",
                {"batch": 1, "gradient_checkpointing": True},
            ),
        ),
    )
    transformer = flux_network
    network = flux_network.NETWORK
    stacks = flux_layers.stacks(DOUBLE, SINGLE, flux_layers.SINGLE_JOINT)
    edges = EDGES
    autoencoder = flux_vae
    caption_encoder = FluxText
    text_folders = ("text_encoder", "text_encoder_2")
    tokenizer_folders = ("tokenizer", "tokenizer_2")
    tokenizers_from = "black-forest-labs/FLUX.1-dev"

    @override
    @classmethod
    def renamed(cls, state: Mapping[str, Tensor], network: nn.Module) -> Mapping[str, Tensor]:
        return flux_network.converted(state)

    @override
    def collate(self, texts: Sequence[TextStates]) -> Conditions:
        pooled = torch.stack([one["pooled"] for one in texts])
        return Conditions(torch.stack([one["states"] for one in texts]), pooled=pooled)

    @override
    def predict(self, latents: Tensor, timesteps: Tensor, conditions: Conditions) -> Tensor:
        assert conditions.pooled is not None
        height, width = latents.shape[-2:]
        usual = torch.full_like(timesteps, self.family.embedded_guidance)
        rows, columns = (torch.arange(side // 2, device=latents.device) for side in (height, width))
        places = torch.cartesian_prod(torch.zeros_like(rows[:1]), rows, columns)
        out = self.parts["unet"](
            hidden_states=to_tokens(latents),
            encoder_hidden_states=conditions.context,
            pooled_projections=conditions.pooled,
            timestep=timesteps,
            img_ids=places,
            txt_ids=places.new_zeros(conditions.context.shape[1], 3),
            guidance=usual if conditions.guidance is None else conditions.guidance,
            return_dict=False,
        )[0]
        return to_latents(out, height, width)

    @override
    def sampling_shift(self, width: int, height: int, steps: int) -> float:
        return self.shift_by_size(width, height)

    @override
    @classmethod
    def write_tiny(cls, place: Path) -> None:
        small: dict[str, Any] = {"num_attention_heads": 2, "attention_head_dim": 32}
        small |= {"num_layers": 1, "num_single_layers": 1, "axes_dims_rope": (4, 14, 14)}
        narrow: dict[str, Any] = {"joint_attention_dim": tiny_text.WIDTH, "pooled_projection_dim": tiny_text.WIDTH}
        cls.write_tiny_network(place, {**cls.network, **small, **narrow})
        tiny_parts.write_flux_vae(place / "vae")
        tiny_text.write_clip(place / "text_encoder", place / "tokenizer")
        tiny_text.write_t5(place / "text_encoder_2")
        tiny_text.write_t5_tokenizer(place / "tokenizer_2")
        tiny_parts.write_index(place, "FluxPipeline", {"use_dynamic_shifting": True})
