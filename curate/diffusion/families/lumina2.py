"""Lumina-Image 2.0 and what came of it: a single-stream transformer that reads states of Gemma 2; rectified flow."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from typing_extensions import override

from curate.adapters.layer_name import LayerName
from curate.diffusion import tiny_parts, tiny_text
from curate.diffusion.autoencoders import flux_vae
from curate.diffusion.base import Conditions
from curate.diffusion.family import FlowFamily
from curate.diffusion.flow_transformer import FlowTransformer
from curate.diffusion.layer_tables import Blocks, Joint, layer_table
from curate.diffusion.networks import lumina2_network
from curate.diffusion.text import gemma_text
from curate.diffusion.text.caption_encoder import CaptionEncoder, TextStates, read_tokenizer

BLOCK: Blocks = {
    **{f"attn.{what}": ("attention.qkv", "attn") for what in ("to_q", "to_k", "to_v")},
    "attn.to_out.0": ("attention.out", "attn"),
    **{f"feed_forward.linear_{n}": (f"feed_forward.w{n}", "mlp") for n in (1, 2, 3)},
    "norm1.linear": ("adaLN_modulation.1", "time"),
}
# few train these: no preset of attention and feed-forward alone has them
REFINER: Blocks = {path: (theirs, "edge") for path, (theirs, _) in BLOCK.items()}
CONTEXT: Blocks = {path: layer for path, layer in REFINER.items() if path != "norm1.linear"}
EDGES: Blocks = {
    path: (theirs, "time" if theirs.startswith("t_embedder") else "edge")
    for path, theirs in lumina2_network.EDGES.items()
    if not theirs.endswith("cap_embedder.0")
}
BEFORE = (
    "You are an assistant designed to generate superior images with the superior degree of image-text alignment "
    "based on textual prompts or user prompts. <Prompt Start> "
)
"""What stands before a caption."""


class Lumina2Text(CaptionEncoder):
    """The caption behind what the assistant is to do; Gemma's states before the last layer."""

    limit: ClassVar[int] = 256

    def __init__(self, encoder: Path, tokenizers: Path, digest: str) -> None:
        super().__init__(lambda dtype: gemma_text.load(encoder, dtype), digest)
        self.gemma = read_tokenizer("GemmaTokenizer", tokenizers / "tokenizer")

    @override
    def count(self, caption: str) -> int:
        return len(self.gemma(_message(caption), verbose=False)["input_ids"])

    @override
    def states(self, model: nn.Module, caption: str, device: torch.device) -> TextStates:
        read = self.gemma(_message(caption), truncation=True, max_length=self.limit)["input_ids"]
        ids = torch.tensor(read, dtype=torch.long, device=device)
        return {"states": model(input_ids=ids[None], output_hidden_states=True).hidden_states[-2][0]}


def _message(caption: str) -> str:
    """What is read of a caption; the empty one, which guidance leads away from, comes without a message."""
    return f"{BEFORE}{caption}" if caption else ""


class Lumina2(FlowTransformer):
    """Lumina-Image 2.0, Neta Lumina and NetaYume."""

    family = FlowFamily(
        title="Lumina 2",
        order=12,
        pipelines=("Lumina2Pipeline",),
        parts={"transformer": "Lumina2Transformer2DModel", "text_encoder": "gemma2", "vae": "AutoencoderKL"},
        channels=16,
        factor=8,
        caption_tokens=256,
        blocks=26,
        draw={"timestep_sampling": "logit-normal", "dynamic_shift": True},
        shift_line=(256, 0.5, 4096, 1.15),
        sampling={"sampler": "euler", "steps": 30, "guidance": 4.0, "flow_shift": 6.0},
        file_names="diffusers",
        joined_names="kohya",
        readers={
            "comfyui": ("native", "native-kohya", "comfyui", "kohya", "lycoris"),
            "kohya": ("native-kohya", "kohya"),
            "diffusers": ("diffusers",),
        },
        whole_keys=("noise_refiner.0.attention.k_norm.weight", "layers.0.adaLN_modulation.1.weight"),
        versions=("lumina2", "lumina2"),
        architectures=("lumina-2", "lumina-2"),
        implementation="https://github.com/Alpha-VLLM/Lumina-Image-2.0",
        parameters=2_609_769_152,
        forward=(1.13e-3, 1.55e-8),
        backward=(1.13e-3, 3.2e-8),
        kept=1.15e-3,
        kept_checkpointed=1.07e-4,
        names=(r"lumina[-_ ]?(image[-_ ]?)?(v)?2", r"neta[-_ ]?(yume|lumina)"),
        common={
            "Alpha-VLLM/Lumina-Image-2.0": "Lumina 2, photos and drawings by sentences",
            "neta-art/Neta-Lumina": "Neta Lumina, a Lumina 2, anime by tags and sentences",
        },
        least_gib=10,
        kohya=("lumina_train_network", "lumina"),
        ai_toolkit=("lumina2",),
        guides={
            "lumina2": (
                "for Lumina 2: rank and alpha 16, AdamW 1e-4, 2000 steps at 512, 768 and 1024, shift by the size",
                {
                    "ai-toolkit's example, SimpleTuner's documentation": {"rank": 16, "alpha": 16.0},
                    "every program's example": {"learning_rate": 1e-4, "gradient_checkpointing": True},
                    "ai-toolkit's example": {
                        "batch": 1,
                        "steps": 2000,
                        "resolution": (512, 768, 1024),
                        "caption_dropout": 0.05,
                    },
                    "sd-scripts' documentation": {
                        "optimizer": "adamw",
                        "timestep_sampling": "uniform",
                        "dynamic_shift": True,
                    },
                    "sd-scripts' and SimpleTuner's documentation": {"schedule": "constant"},
                },
            ),
            "lumina2-sd-scripts": (
                "for Lumina 2: sd-scripts' documentation. Rank and alpha 8, AdamW 1e-4, shift by the picture's size",
                {
                    "sd-scripts' documentation": {
                        "rank": 8,
                        "alpha": 8.0,
                        "optimizer": "adamw",
                        "learning_rate": 1e-4,
                        "schedule": "constant",
                        "timestep_sampling": "uniform",
                        "dynamic_shift": True,
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
    transformer = lumina2_network
    network = lumina2_network.NETWORK
    repeated_blocks = ("Lumina2TransformerBlock",)
    edges = EDGES
    autoencoder = flux_vae
    caption_encoder = Lumina2Text
    tokenizers_from = "Alpha-VLLM/Lumina-Image-2.0"
    scheduler: ClassVar[Mapping[str, Any]] = {"shift": 6.0}

    @override
    @classmethod
    def complete(cls, network: Any) -> Any:
        config = network.config
        turns = type(network.rope_embedder)(10_000, config["axes_dim_rope"], config["axes_lens"])
        network.rope_embedder = turns  # what it turns positions by is in no file
        return super().complete(network)

    @override
    @classmethod
    def renamed(cls, state: Mapping[str, Tensor], network: nn.Module) -> Mapping[str, Tensor]:
        return lumina2_network.renamed(state, network.state_dict())

    @override
    def layer_names(self) -> list[LayerName]:
        config: Any = self.parts["unet"].config
        joint, found = _joint(int(config["num_attention_heads"]) // int(config["num_kv_heads"])), list[LayerName]()
        for n in range(int(config["num_refiner_layers"])):
            for path, layers in ((f"noise_refiner.{n}.", REFINER), (f"context_refiner.{n}.", CONTEXT)):
                found += layer_table("transformer", path, path, layers, joint=joint)
        for n in range(int(config["num_layers"])):
            found += layer_table("transformer", f"layers.{n}.", f"layers.{n}.", BLOCK, block=n, joint=joint)
        return [*found, *layer_table("transformer", "", "", EDGES)]

    @override
    def predict(self, latents: Tensor, timesteps: Tensor, conditions: Conditions) -> Tensor:
        given = {"encoder_attention_mask": conditions.mask, "return_dict": False}
        return -self.parts["unet"](latents, 1 - timesteps, conditions.context, **given)[0]

    @override
    def guide(self, without: Tensor, towards: Tensor, guidance: float) -> Tensor:
        """As long, row by row, as the prediction with the prompt: guidance turns it and does not stretch it."""
        guided = super().guide(without, towards, guidance)
        return guided * (towards.norm(dim=-1, keepdim=True) / guided.norm(dim=-1, keepdim=True))

    @override
    @classmethod
    def write_tiny(cls, place: Path) -> None:
        small: dict[str, Any] = {"hidden_size": 72, "num_layers": 2, "num_refiner_layers": 1, "num_attention_heads": 3}
        small |= {"num_kv_heads": 1, "multiple_of": 8, "axes_dim_rope": (8, 8, 8)}
        cls.write_tiny_network(place, {**small, "cap_feat_dim": tiny_text.WIDTH})
        tiny_parts.write_flux_vae(place / "vae")
        tiny_text.write_gemma2(place / "text_encoder", place / "tokenizer", layers=3)
        tiny_parts.write_index(place, "Lumina2Pipeline", {"shift": 6.0})


def _joint(groups: int) -> Joint:
    """Query, key and value in one matrix, with so many heads of queries to one of keys and values."""
    rows = {"attn.to_q": (0, groups), "attn.to_k": (groups, groups + 1), "attn.to_v": (groups + 1, groups + 2)}
    return {path: ("attention.qkv", (*part, groups + 2)) for path, part in rows.items()}
