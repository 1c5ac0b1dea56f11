"""Anima: Cosmos' transformer with a conditioner that reads Qwen3's states by T5's token ids; rectified flow."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from typing_extensions import override

from curate.diffusion import tiny_parts, tiny_text
from curate.diffusion.autoencoders import qwen_vae
from curate.diffusion.base import Conditions
from curate.diffusion.family import FlowFamily
from curate.diffusion.flow_transformer import FlowTransformer
from curate.diffusion.layer_tables import Blocks, Stack
from curate.diffusion.networks import anima_conditioner, cosmos
from curate.diffusion.text.anima_text import AnimaText
from curate.diffusion.text.caption_encoder import TextStates, padded

BLOCK: Blocks = {
    **{
        f"{ours}.{path}": (f"{theirs}.{original}", "attn")
        for ours, theirs in (("attn1", "self_attn"), ("attn2", "cross_attn"))
        for path, original in (("to_q", "q_proj"), ("to_k", "k_proj"), ("to_v", "v_proj"), ("to_out.0", "output_proj"))
    },
    "ff.net.0.proj": ("mlp.layer1", "mlp"),
    "ff.net.2": ("mlp.layer2", "mlp"),
    **{
        f"norm{n}.linear_{i}": (f"adaln_modulation_{name}.{i}", "time")
        for n, name in enumerate(("self_attn", "cross_attn", "mlp"), 1)
        for i in (1, 2)
    },
}
EDGES: Blocks = {
    "patch_embed.proj": ("x_embedder.proj.1", "edge"),
    "time_embed.t_embedder.linear_1": ("t_embedder.1.linear_1", "time"),
    "time_embed.t_embedder.linear_2": ("t_embedder.1.linear_2", "time"),
    "norm_out.linear_1": ("final_layer.adaln_modulation.1", "edge"),
    "norm_out.linear_2": ("final_layer.adaln_modulation.2", "edge"),
    "proj_out": ("final_layer.linear", "edge"),
}
INSIDE = "llm_adapter."
"""What stands before the conditioner's names in a file of the network."""
STACKS = (
    Stack(
        "blocks",
        f"{INSIDE}blocks",
        "num_layers",
        anima_conditioner.BLOCK,
        numbered=False,
        part="conditioner",
        model="text_conditioner",
    ),
    Stack("transformer_blocks", "blocks", "num_layers", BLOCK),
)


class Anima(FlowTransformer):
    """Anima base and its previews; variants with other numbers of blocks too."""

    family = FlowFamily(
        title="Anima",
        order=4,
        pipelines=("AnimaModularPipeline",),
        components=("transformer", "text_conditioner", "text_encoder", "tokenizer", "t5_tokenizer", "vae", "scheduler"),
        parts={
            "transformer": "CosmosTransformer3DModel",
            "text_conditioner": "AnimaTextConditioner",
            "text_encoder": "qwen3",
            "vae": "AutoencoderKLQwenImage",
        },
        channels=16,
        factor=8,
        caption_tokens=512,
        blocks=28,
        draw={"timestep_sampling": "logit-normal", "flow_shift": 1.0},
        sampling={"sampler": "euler", "steps": 30, "guidance": 4.5, "flow_shift": 3.0},
        file_names="comfyui",
        readers={
            "comfyui": ("comfyui", "kohya", "original", "lycoris"),
            "kohya": ("kohya",),
            "diffusers": ("comfyui", "diffusers"),
        },
        whole_keys=("blocks.0.mlp.layer1.weight", "llm_adapter."),
        versions=("anima-preview", "anima-preview"),
        architectures=("anima-preview", "anima-preview"),
        implementation="https://huggingface.co/circlestone-labs/Anima",
        parameters=1_956_405_248,
        forward=(8.784e-4, 1.313e-8),
        backward=(8.516e-4, 2.867e-8),
        kept=6.9e-4,
        kept_checkpointed=2.7e-5,
        names=(r"\banima\b(?!gine)", r"anima[-_]?(base|preview)"),
        common={"circlestone-labs/Anima-Base-v1.0-Diffusers": "Anima, anime by tags and sentences; non-commercial"},
        least_gib=8,
        prompting="danbooru",
        style_rate=5e-5,
        kohya=("anima_train_network", "anima"),
        ai_toolkit=("anima",),
        guides={
            "anima": (
                "for Anima: rank and alpha 32, AdamW 1e-4, 3000 steps at 512, 768 and 1024",
                {
                    "ai-toolkit's preset, DiffSynth": {"rank": 32, "learning_rate": 1e-4},
                    "ai-toolkit's preset": {
                        "alpha": 32.0,
                        "weight_decay": 1e-4,
                        "batch": 1,
                        "steps": 3000,
                        "resolution": (512, 768, 1024),
                        "caption_dropout": 0.05,
                    },
                    "every program's preset": {"schedule": "constant", "gradient_checkpointing": True},
                    "OneTrainer's preset; others take its 8-bit form": {"optimizer": "adamw"},
                    "sd-scripts' default, OneTrainer's preset": {
                        "timestep_sampling": "logit-normal",
                        "flow_shift": 1.0,
                    },
                },
            ),
            "anima-onetrainer": (
                "for Anima: OneTrainer's preset. Rank 16, alpha 1, AdamW 3e-5, batch 2 at 512, int8 base",
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
    transformer = cosmos
    network = cosmos.NETWORK
    converter = "convert_cosmos_transformer_checkpoint_to_diffusers"
    repeated_blocks = ("CosmosTransformerBlock",)
    stacks = STACKS
    edges = EDGES
    autoencoder = qwen_vae
    caption_encoder = AnimaText
    tokenizer_folders = ("tokenizer", "t5_tokenizer")
    tokenizers_from = "circlestone-labs/Anima-Base-v1.0-Diffusers"

    @override
    @classmethod
    def models_of_folder(cls, place: Path, dtype: torch.dtype) -> dict[str, nn.Module]:
        conditioner = anima_conditioner.of_folder(place / "text_conditioner", dtype)
        return {"conditioner": conditioner, **super().models_of_folder(place, dtype)}

    @override
    @classmethod
    def models_of_file(cls, state: Mapping[str, Tensor], dtype: torch.dtype) -> dict[str, nn.Module]:
        inside, network = _parts_of_file(state)
        conditioner = anima_conditioner.of_state(inside, dtype)
        return {"conditioner": conditioner, **super().models_of_file(network, dtype)}

    @override
    @classmethod
    def renamed(cls, state: Mapping[str, Tensor], network: nn.Module) -> Mapping[str, Tensor]:
        return super().renamed({f"net.{k}": t for k, t in state.items()}, network)

    @override
    @classmethod
    def configurations_of_file(cls, state: Mapping[str, Tensor]) -> Mapping[str, Mapping[str, Any]]:
        inside, network = _parts_of_file(state)
        return {"transformer": cosmos.config_of(network), "text_conditioner": anima_conditioner.config_of(inside)}

    @override
    @classmethod
    def outline(cls, configuration: Callable[[str], Mapping[str, Any]]) -> tuple[dict[str, nn.Module], nn.Module]:
        conditioner = {**anima_conditioner.CONDITIONER, **configuration("text_conditioner")}
        parts, vae = super().outline(configuration)
        return {"conditioner": anima_conditioner.outline(conditioner), **parts}, vae

    @override
    def collate(self, texts: Sequence[TextStates]) -> Conditions:
        context, mask = padded([one["states"] for one in texts])
        ids, real = padded([one["t5"] for one in texts])
        return Conditions(context, mask=mask, ids=ids, ids_mask=real)

    @override
    def predict(self, latents: Tensor, timesteps: Tensor, conditions: Conditions) -> Tensor:
        network, conditioner = self.parts["unet"], self.parts["conditioner"]
        context = conditioner(conditions.context, conditions.ids, conditions.ids_mask, conditions.mask)
        nothing = latents.new_zeros(1, 1, *latents.shape[-2:])
        given = {"padding_mask": nothing, "return_dict": False}
        return network(latents[:, :, None], timesteps, context, **given)[0][:, :, 0]

    @override
    @classmethod
    def write_tiny(cls, place: Path) -> None:
        small: dict[str, Any] = {"num_attention_heads": 2, "attention_head_dim": 16, "num_layers": 2, "mlp_ratio": 2.0}
        narrow: dict[str, Any] = {"text_embed_dim": 32, "adaln_lora_dim": 4, "max_size": (4, 64, 64)}
        cls.write_tiny_network(place, {**cls.network, **small, **narrow})
        anima_conditioner.write_tiny(place / "text_conditioner", tiny_text.T5_WORDS)
        tiny_parts.write_qwen_vae(place / "vae")
        tiny_text.write_qwen3(place / "text_encoder", place / "tokenizer")
        tiny_text.write_t5_tokenizer(place / "t5_tokenizer")
        tiny_parts.write_index(place, "AnimaModularPipeline", {"shift": 3.0}, "modular_model_index.json")


def _parts_of_file(state: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """The tensors of the conditioner and those of the network, which a file holds together."""
    inside = {key.removeprefix(INSIDE): tensor for key, tensor in state.items() if key.startswith(INSIDE)}
    return inside, {key: tensor for key, tensor in state.items() if not key.startswith(INSIDE)}
