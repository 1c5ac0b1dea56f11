"""Chroma: FLUX.1 without modulations, which a frozen guidance layer makes instead; it reads T5; rectified flow."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from typing_extensions import override

from curate.core.warning_filters import ignore_warnings
from curate.diffusion import flux_layers, tiny_parts, tiny_text
from curate.diffusion.autoencoders import flux_vae
from curate.diffusion.base import Conditions
from curate.diffusion.dynamic_shift import dynamic_shift, line_of
from curate.diffusion.family import FlowFamily
from curate.diffusion.flow_transformer import FlowTransformer
from curate.diffusion.layer_tables import Blocks
from curate.diffusion.networks import chroma_network
from curate.diffusion.networks.qwen_image_network import exact_time
from curate.diffusion.one_length import by_length
from curate.diffusion.patches import to_latents, to_tokens
from curate.diffusion.text import t5_text
from curate.diffusion.text.caption_encoder import CaptionEncoder, TextStates, read_tokenizer

DOUBLE: Blocks = {**flux_layers.ATTENTION, **flux_layers.FEED_FORWARD}
SINGLE = flux_layers.SINGLE
EDGES: Blocks = {
    "x_embedder": ("img_in", "edge"),
    "context_embedder": ("txt_in", "edge"),
    "proj_out": ("final_layer.linear", "edge"),
}
MOVED = ".*FluxPosEmbed", FutureWarning
"""What diffusers 0.42 says of its own import."""


class ChromaText(CaptionEncoder):
    """T5's states of the caption and of one token of padding, the only one that the network looks at."""

    limit: ClassVar[int] = 512

    def __init__(self, encoder: Path, tokenizers: Path, digest: str) -> None:
        super().__init__(lambda dtype: t5_text.load(encoder, dtype), digest)
        self.t5 = read_tokenizer("T5TokenizerFast", tokenizers / "tokenizer")

    @override
    def count(self, caption: str) -> int:
        return len(self.t5(caption, verbose=False)["input_ids"])

    @override
    def states(self, model: nn.Module, caption: str, device: torch.device) -> TextStates:
        read: list[int] = self.t5(caption, truncation=True, max_length=self.limit)["input_ids"]
        whole = [*read, self.t5.pad_token_id][: self.limit]
        ids = torch.tensor([whole], dtype=torch.long, device=device)
        mask = torch.arange(len(whole), device=device)[None] < len(read)
        return {"states": model(input_ids=ids, attention_mask=mask.long())[0][0]}


class Chroma(FlowTransformer):
    """Chroma1 Base and HD; not Flash, which is distilled."""

    family = FlowFamily(
        title="Chroma",
        order=14,
        pipelines=("ChromaPipeline",),
        parts={
            "transformer": "ChromaTransformer2DModel",
            "text_encoder": "t5",
            "vae": "AutoencoderKL",
        },
        channels=16,
        factor=8,
        caption_tokens=512,
        blocks=57,
        draw={"timestep_sampling": "logit-normal", "flow_shift": 1.0},
        sampling={"sampler": "euler", "steps": 40, "guidance": 4.5, "flow_shift": 1.0},
        distilled_sampling={"steps": 8, "guidance": 1.0},
        file_names="diffusers",
        readers={
            "comfyui": ("diffusers", "native", "comfyui", "native-kohya", "kohya"),
            "kohya": ("native-kohya", "kohya"),
            "diffusers": ("diffusers",),
        },
        whole_keys=("distilled_guidance_layer.in_proj.weight",),
        relatives={"nerf_": "Chroma Radiance"},
        distilled=(r"flash", r"turbo", r"lightning", r"\d[-_ ]?steps?(?![a-z])"),
        undistilled=(r"chroma(?!.*(flash|turbo|lightning|\d[-_ ]?step))",),
        versions=("chroma", "chroma"),
        architectures=("chroma", "chroma"),
        implementation="https://huggingface.co/lodestones/Chroma",
        parameters=8_899_983_424,
        forward=(3.23e-3, 4.4e-8),
        backward=(3.23e-3, 9.5e-8),
        kept=1.2e-3,
        kept_checkpointed=8.7e-5,
        names=(r"chroma\b|chroma[-_]?1|chroma-hd",),
        common={"lodestones/Chroma1-HD": "Chroma, photos and drawings by sentences"},
        least_gib=12,
        prompting="natural",
        kohya=("flux_train_network", "flux", "chroma"),
        ai_toolkit=("chroma",),
        guides={
            "chroma": (
                "for Chroma: rank and alpha 16, AdamW 1e-4, 2000 steps at 512, 768 and 1024, fp8 base",
                {
                    "ai-toolkit's example, SimpleTuner's documentation": {
                        "rank": 16,
                        "gradient_checkpointing": True,
                    },
                    "ai-toolkit's example": {
                        "alpha": 16.0,
                        "learning_rate": 1e-4,
                        "batch": 1,
                        "steps": 2000,
                        "resolution": (512, 768, 1024),
                        "caption_dropout": 0.05,
                    },
                    "ai-toolkit's default": {"schedule": "constant"},
                    "OneTrainer's preset; ai-toolkit takes its 8-bit form": {"optimizer": "adamw"},
                    "OneTrainer's preset, ai-toolkit's example": {"base_precision": "fp8"},
                    "sd-scripts' documentation, ai-toolkit's default": {
                        "timestep_sampling": "logit-normal",
                        "flow_shift": 1.0,
                    },
                },
            ),
            # its preset draws noise levels by an inverted parabola, which is no draw here
            "chroma-onetrainer": (
                "for Chroma: OneTrainer's preset, but for its noise. Rank 16, alpha 1, AdamW 3e-4, batch 2 at 512, fp8",
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
                        "base_precision": "fp8",
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
                30,
                "One picture at a time fits with gradient checkpointing.",
                {"batch": 1, "gradient_checkpointing": True},
            ),
        ),
    )
    transformer = chroma_network
    network = chroma_network.NETWORK
    stacks = flux_layers.stacks(DOUBLE, SINGLE, flux_layers.SINGLE_JOINT)
    edges = EDGES
    autoencoder = flux_vae
    caption_encoder = ChromaText
    tokenizers_from = "lodestones/Chroma1-HD"

    @override
    @classmethod
    @contextmanager
    def silence(cls) -> Generator[None]:
        with super().silence(), ignore_warnings(*MOVED):
            yield

    @override
    @classmethod
    def complete(cls, network: Any) -> Any:
        return chroma_network.complete(network)

    @override
    @classmethod
    def renamed(cls, state: Mapping[str, Tensor], network: nn.Module) -> Mapping[str, Tensor]:
        return chroma_network.own_names(state)

    @override
    def predict(self, latents: Tensor, timesteps: Tensor, conditions: Conditions) -> Tensor:
        # diffusers 0.42 leaves the mask out of single blocks with gradient checkpointing, and adds one of numbers
        return by_length(self._alike, latents, timesteps, conditions)

    def _alike(self, latents: Tensor, times: Tensor, context: Tensor) -> Tensor:
        """The prediction for captions of one length, none of which is masked."""
        network: Any = self.parts["unet"]
        height, width = latents.shape[-2:]
        rows, columns = (torch.arange(side // 2, device=latents.device) for side in (height, width))
        places = torch.cartesian_prod(rows.new_zeros(1), rows, columns)
        told = {"img_ids": places, "txt_ids": places.new_zeros(context.shape[1], 3)}
        with exact_time(network, 1000 * times):
            out: Tensor = network(to_tokens(latents), context, times, **told, return_dict=False)[0]
        return to_latents(out, height, width)

    @override
    def sampling_shift(self, width: int, height: int, steps: int) -> float:
        if not self.schedule.get("use_dynamic_shifting"):
            return super().sampling_shift(width, height, steps)
        return dynamic_shift(line_of(self.schedule, (256, 0.5, 4096, 1.15)), width, height)

    @override
    @classmethod
    def write_tiny(cls, place: Path) -> None:
        small: dict[str, Any] = {"num_layers": 1, "num_single_layers": 1, "attention_head_dim": 32}
        small |= {"num_attention_heads": 2, "axes_dims_rope": (4, 14, 14), "joint_attention_dim": tiny_text.WIDTH}
        small |= {"approximator_num_channels": 8, "approximator_hidden_dim": 16, "approximator_layers": 1}
        cls.write_tiny_network(place, small)
        tiny_parts.write_flux_vae(place / "vae")
        tiny_text.write_t5(place / "text_encoder")
        tiny_text.write_t5_tokenizer(place / "tokenizer")
        tiny_parts.write_index(place, "ChromaPipeline", {"shift": 1.0})
