"""Krea 2: a single-stream transformer that fuses the states of many layers of Qwen3-VL; rectified flow."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from typing_extensions import override

from curate.adapters.layer_name import Kind
from curate.diffusion import tiny_parts, tiny_text
from curate.diffusion.autoencoders import qwen_vae
from curate.diffusion.base import Conditions, LoadOptions, Parts
from curate.diffusion.distilled import is_distilled
from curate.diffusion.family import FlowFamily
from curate.diffusion.flow_transformer import FlowTransformer
from curate.diffusion.layer_tables import Blocks, Stack
from curate.diffusion.networks import krea2_network
from curate.diffusion.patches import SIDE, to_latents, to_tokens
from curate.diffusion.text import describe
from curate.diffusion.text.caption_encoder import TextStates, padded
from curate.diffusion.text.krea2_text import LAYERS_READ, Krea2Text

KINDS: Mapping[str, Kind] = {"attn": "attn", "ff": "mlp"}
BLOCK: Blocks = {path: (theirs, KINDS[path.partition(".")[0]]) for path, theirs in krea2_network.LAYERS.items()}
EDGES: Blocks = {
    path: (theirs, "time" if path.startswith("time") else "edge") for path, theirs in krea2_network.EDGES.items()
}
STACKS = (
    Stack(
        "text_fusion.layerwise_blocks", "txtfusion.layerwise_blocks", "num_layerwise_text_blocks", BLOCK, numbered=False
    ),
    Stack("text_fusion.refiner_blocks", "txtfusion.refiner_blocks", "num_refiner_text_blocks", BLOCK, numbered=False),
    Stack("transformer_blocks", "blocks", "num_layers", BLOCK),
)
DISTILLED_MU = 1.15
"""Of the sibling that was distilled, whatever the size of the picture."""


class Krea2(FlowTransformer):
    """Krea 2 Raw, not its distilled sibling Turbo, which has the same layers."""

    family = FlowFamily(
        title="Krea 2",
        order=7,
        pipelines=("Krea2Pipeline",),
        parts={
            "transformer": "Krea2Transformer2DModel",
            "text_encoder": "qwen3_vl",
            "vae": "AutoencoderKLQwenImage",
        },
        channels=16,
        factor=8,
        caption_tokens=512,
        blocks=28,
        draw={"timestep_sampling": "logit-normal", "dynamic_shift": True},
        shift_line=(256, 0.5, 6400, 1.15),
        sampling={"sampler": "euler", "steps": 28, "guidance": 5.5},
        distilled_sampling={"steps": 8, "guidance": 1.0},
        file_names="diffusers",
        readers={
            "comfyui": ("diffusers", "comfyui", "kohya", "lycoris"),
            "kohya": ("kohya",),
            "diffusers": ("diffusers", "comfyui"),
        },
        whole_keys=("txtfusion.projector.weight",),
        distilled=(r"turbo",),
        undistilled=(r"(?<![a-z])raw(?![a-z])",),
        versions=("Krea-2", "Krea-2"),
        architectures=("Krea-2", "Krea-2"),
        implementation="https://github.com/krea-ai/krea-2",
        parameters=12_820_073_036,
        forward=(6.31e-3, 3.86e-8),
        backward=(6.30e-3, 8.23e-8),
        kept=1.67e-3,
        kept_checkpointed=8.7e-5,
        names=(r"krea[-_ ]?2",),
        common={"krea/Krea-2-Raw": "Krea 2, photos and drawings by sentences; non-commercial beyond 50 seats"},
        least_gib=24,
        prompting="natural",
        kohya=("krea2_train_network", "krea2"),
        ai_toolkit=("krea2",),
        guides={
            "krea2": (
                "for Krea 2: rank and alpha 32 on every linear layer, AdamW 1e-4, 3000 steps at 512 to 1024, fp8 base",
                {
                    "its makers' default, as musubi-tuner's documentation has it": {
                        "rank": 32,
                        "alpha": 32.0,
                        "layer_preset": "full",
                    },
                    "musubi-tuner's documentation, ai-toolkit's preset": {"learning_rate": 1e-4},
                    "OneTrainer's preset; others take its 8-bit form": {"optimizer": "adamw"},
                    "ai-toolkit's preset": {
                        "weight_decay": 1e-4,
                        "schedule": "constant",
                        "batch": 1,
                        "steps": 3000,
                        "resolution": (512, 768, 1024),
                        "caption_dropout": 0.05,
                        "base_precision": "fp8",
                    },
                    "musubi-tuner's documentation": {
                        "timestep_sampling": "logit-normal",
                        "dynamic_shift": True,
                        "gradient_checkpointing": True,
                    },
                },
            ),
            "krea2-onetrainer": (
                "for Krea 2: OneTrainer's preset. Rank 16, alpha 1, AdamW 3e-4, batch 2 at 512, int8 base",
                {
                    "OneTrainer's preset": {
                        "rank": 16,
                        "alpha": 1.0,
                        "optimizer": "adamw",
                        "learning_rate": 3e-4,
                        "weight_decay": 0.01,
                        "schedule": "constant-with-warmup",
                        "warmup": 200,
                        "batch": 2,
                        "showings": 100,
                        "resolution": 512,
                        "timestep_sampling": "logit-normal",
                        "flow_shift": 1.0,
                        "base_precision": "int8",
                        "gradient_checkpointing": True,
                    },
                },
            ),
        },
        memory=(
            (
                0,
                "The base in 8 bits and gradient checkpointing make room on a small card.",
                {"batch": 1, "gradient_checkpointing": True, "base_precision": "fp8"},
            ),
            (
                40,
                "One picture at a time fits with gradient checkpointing.",
                {"batch": 1, "gradient_checkpointing": True},
            ),
        ),
    )
    transformer = krea2_network
    network = krea2_network.NETWORK
    stacks = STACKS
    edges = EDGES
    autoencoder = qwen_vae
    caption_encoder = Krea2Text
    tokenizers_from = "krea/Krea-2-Raw"

    @override
    @classmethod
    def from_folder(cls, place: Path, base: str, options: LoadOptions) -> Parts:
        return _with_sibling(super().from_folder(place, base, options), is_distilled(cls.family, base, place))

    @override
    @classmethod
    def from_file(cls, state: Mapping[str, Tensor], place: Path, options: LoadOptions, offline: bool) -> Parts:
        parts = super().from_file(state, place, options, offline)
        return _with_sibling(parts, is_distilled(cls.family, str(place)))

    @override
    @classmethod
    def renamed(cls, state: Mapping[str, Tensor], network: nn.Module) -> Mapping[str, Tensor]:
        return krea2_network.renamed(state, network.state_dict())

    @override
    def collate(self, texts: Sequence[TextStates]) -> Conditions:
        context, mask = padded([one["states"] for one in texts])
        alike = len({len(one["states"]) for one in texts}) == 1  # attention is faster without a mask
        return Conditions(context, mask=None if alike else mask)

    @override
    def predict(self, latents: Tensor, timesteps: Tensor, conditions: Conditions) -> Tensor:
        height, width = latents.shape[-2:]
        out = self.parts["unet"](
            to_tokens(latents),
            conditions.context,
            timesteps,
            _positions(conditions.context.shape[1], height // SIDE, width // SIDE, latents.device),
            encoder_attention_mask=conditions.mask,
            return_dict=False,
        )[0]
        return to_latents(out, height, width)

    @override
    def sampling_shift(self, width: int, height: int, steps: int) -> float:
        if self.schedule.get("is_distilled"):
            return math.exp(DISTILLED_MU)
        return self.shift_by_size(width, height)

    @override
    @classmethod
    def write_tiny(cls, place: Path) -> None:
        small: dict[str, Any] = {"num_layers": 2, "attention_head_dim": 16, "num_attention_heads": 4}
        small |= {"num_key_value_heads": 2, "intermediate_size": 48, "timestep_embed_dim": 16}
        text: dict[str, Any] = {"text_hidden_dim": tiny_text.VL_WIDTH, "num_text_layers": len(LAYERS_READ)}
        text |= {"text_num_attention_heads": 2, "text_num_key_value_heads": 2, "text_intermediate_size": 32}
        text |= {"num_layerwise_text_blocks": 1, "num_refiner_text_blocks": 1, "axes_dims_rope": (4, 6, 6)}
        cls.write_tiny_network(place, {**small, **text})
        tiny_parts.write_qwen_vae(place / "vae")
        folders, told = (place / "text_encoder", place / "tokenizer"), describe.message("")
        tiny_text.write_qwen_vl(*folders, "Qwen3-VL", LAYERS_READ[-1] + 1, told)
        tiny_parts.write_index(place, "Krea2Pipeline", {"max_image_seq_len": 6400}, is_distilled=False)


def _with_sibling(parts: Parts, distilled: bool | None) -> Parts:
    parts.schedule = {**parts.schedule, "is_distilled": bool(distilled)}
    return parts


def _positions(words: int, rows: int, columns: int, device: torch.device) -> Tensor:
    """[words + rows · columns, 3] of time, row and column; words are all at the origin."""
    axes = (torch.arange(count, dtype=torch.float32, device=device) for count in (1, rows, columns))
    return torch.cat([torch.zeros(words, 3, device=device), torch.cartesian_prod(*axes)])
