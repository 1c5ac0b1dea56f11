"""Qwen-Image: a transformer with a stream for the picture and one for the text of Qwen2.5-VL; rectified flow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from typing_extensions import override

from curate.adapters.layer_name import Kind
from curate.diffusion import tiny_parts, tiny_text
from curate.diffusion.autoencoders import qwen_vae
from curate.diffusion.base import Conditions
from curate.diffusion.family import FlowFamily
from curate.diffusion.flow_transformer import FlowTransformer
from curate.diffusion.layer_tables import Blocks, Stack
from curate.diffusion.networks import qwen_image_network
from curate.diffusion.patches import to_latents, to_tokens
from curate.diffusion.text import describe, qwen_vl_text
from curate.diffusion.text.caption_encoder import CaptionEncoder, TextStates, padded, read_tokenizer

ATTENTION = ("to_q", "to_k", "to_v", "to_out.0", "add_q_proj", "add_k_proj", "add_v_proj", "to_add_out")
KINDS: Mapping[str, Kind] = {
    **{f"attn.{path}": "attn" for path in ATTENTION},
    **{f"{stream}_mlp.net.{path}": "mlp" for stream in ("img", "txt") for path in ("0.proj", "2")},
    "img_mod.1": "time",
    "txt_mod.1": "time",
}
# the original model has diffusers' names
BLOCK: Blocks = {path: (path, kind) for path, kind in KINDS.items()}
EDGES: Blocks = {
    path: (path, "time" if path.startswith("time_text_embed") else "edge")
    for path in (
        "time_text_embed.timestep_embedder.linear_1",
        "time_text_embed.timestep_embedder.linear_2",
        "img_in",
        "txt_in",
        "norm_out.linear",
        "proj_out",
    )
}


class QwenImageText(CaptionEncoder):
    """The caption in a message that asks for a description; the last states of it and of what stands behind it."""

    limit: ClassVar[int] = 1024

    def __init__(self, encoder: Path, tokenizers: Path, digest: str) -> None:
        super().__init__(lambda dtype: qwen_vl_text.load(encoder, dtype, "Qwen2.5-VL"), digest)
        self.qwen = read_tokenizer("Qwen2Tokenizer", tokenizers / "tokenizer")

    @override
    def count(self, caption: str) -> int:
        return len(self.qwen(describe.message(caption), verbose=False)["input_ids"]) - describe.DROPPED

    @override
    def states(self, model: nn.Module, caption: str, device: torch.device) -> TextStates:
        cut = {"truncation": True, "max_length": self.limit + describe.DROPPED}
        read = self.qwen(describe.message(caption), **cut)["input_ids"]
        ids = torch.tensor(read, dtype=torch.long, device=device)
        return {"states": model(input_ids=ids[None]).last_hidden_state[0, describe.DROPPED :]}


class QwenImage(FlowTransformer):
    """Qwen-Image and Qwen-Image-2512; not the models that edit pictures, which have the same layers."""

    family = FlowFamily(
        title="Qwen-Image",
        order=8,
        pipelines=("QwenImagePipeline",),
        parts={
            "transformer": "QwenImageTransformer2DModel",
            "text_encoder": "qwen2_5_vl",
            "vae": "AutoencoderKLQwenImage",
        },
        channels=16,
        factor=8,
        caption_tokens=1024,
        blocks=60,
        draw={"timestep_sampling": "logit-normal", "dynamic_shift": True},
        shift_line=(256, 0.5, 8192, 0.9),
        sampling={"sampler": "euler", "steps": 50, "guidance": 4.0},
        distilled_sampling={"steps": 8, "guidance": 1.0},
        file_names="diffusers",
        readers={
            "comfyui": ("diffusers", "comfyui", "kohya", "original", "lycoris"),
            "kohya": ("kohya",),
            "diffusers": ("diffusers", "comfyui", "kohya"),
        },
        whole_keys=("txt_norm.weight", "img_in.weight", "transformer_blocks.0.img_mod.1.weight"),
        relatives={
            "__index_timestep_zero__": "Qwen-Image-Edit",
            "time_text_embed.addition_t_embedding.": "Qwen-Image-Layered",
            "controlnet_": "a ControlNet of Qwen-Image",
        },
        relative_names={
            r"(?<![a-z])edit(?![a-z])": "Qwen-Image-Edit",
            r"(?<![a-z])layered(?![a-z])": "Qwen-Image-Layered",
        },
        relative_shapes={"txt_norm.weight": ((2560,), "Mage-Flow")},
        distilled=(r"lightning", r"lightx2v", r"turbo", r"rapid", r"\d[-_ ]?steps?(?![a-z])"),
        undistilled=(r"qwen[-_ ]?image(?!.*(lightning|lightx2v|turbo|rapid|\d[-_ ]?step))",),
        versions=("Qwen-Image", "Qwen-Image"),
        architectures=("Qwen-Image", "Qwen-Image"),
        implementation="https://github.com/QwenLM/Qwen-Image",
        parameters=20_430_401_088,
        forward=(3.4e-3, 4.6e-8),
        backward=(3.4e-3, 1.0e-7),
        kept=1.6e-3,
        kept_checkpointed=8.9e-5,
        names=(r"qwen[-_ ]?image",),
        common={
            "Qwen/Qwen-Image-2512": "Qwen-Image of December 2025, photos and lettering by sentences",
            "Qwen/Qwen-Image": "Qwen-Image of August 2025",
        },
        least_gib=16,
        prompting="natural",
        kohya=("qwen_image_train_network", "qwen_image"),
        ai_toolkit=("qwen_image",),
        guides={
            "qwen-image": (
                "for Qwen-Image: rank 16, AdamW 5e-5, 2000 steps at 512, 768 and 1024, noise shifted by 2.2, fp8 base",
                {
                    "musubi-tuner's documentation": {
                        "rank": 16,
                        "alpha": 1.0,
                        "learning_rate": 5e-5,
                        "timestep_sampling": "logit-normal",
                        "flow_shift": 2.2,
                        "gradient_checkpointing": True,
                    },
                    "OneTrainer's preset; others take its 8-bit form": {"optimizer": "adamw"},
                    "musubi-tuner's documentation, OneTrainer's preset": {"schedule": "constant"},
                    "ai-toolkit's example": {
                        "batch": 1,
                        "steps": 2000,
                        "resolution": (512, 768, 1024),
                        "caption_dropout": 0.05,
                    },
                    "OneTrainer's and ai-toolkit's preset": {"base_precision": "fp8"},
                },
            ),
        },
        memory=(
            (
                0,
                "The base in 8 bits and blocks that wait in the machine's memory (about 64 GB) make room for 1024.",
                {"batch": 1, "gradient_checkpointing": True, "base_precision": "fp8", "swap_blocks": "auto"},
            ),
            (
                30,
                "The base in 8 bits fits as a whole with gradient checkpointing.",
                {"batch": 1, "gradient_checkpointing": True, "base_precision": "fp8"},
            ),
            (
                46,
                "One picture at a time fits with gradient checkpointing.",
                {"batch": 1, "gradient_checkpointing": True},
            ),
        ),
    )
    transformer = qwen_image_network
    network = qwen_image_network.NETWORK
    stacks = (Stack("transformer_blocks", "transformer_blocks", "num_layers", BLOCK),)
    edges = EDGES
    autoencoder = qwen_vae
    caption_encoder = QwenImageText
    tokenizers_from = "Qwen/Qwen-Image"
    scheduler: ClassVar[Mapping[str, Any]] = {"use_dynamic_shifting": True, "shift_terminal": 0.02}

    @override
    @classmethod
    def complete(cls, network: Any) -> Any:
        axes = list(network.config["axes_dims_rope"])
        network.pos_embed = type(network.pos_embed)(10_000, axes, scale_rope=True)  # its tables are in no file
        return network

    @override
    def collate(self, texts: Sequence[TextStates]) -> Conditions:
        context, mask = padded([one["states"] for one in texts])
        # without a mask attention has faster ways
        return Conditions(context, mask=None if bool(mask.all()) else mask)

    @override
    def predict(self, latents: Tensor, timesteps: Tensor, conditions: Conditions) -> Tensor:
        network: Any = self.parts["unet"]
        height, width = latents.shape[-2:]
        told = {
            "encoder_hidden_states": conditions.context,
            "encoder_hidden_states_mask": conditions.mask,
            "timestep": timesteps,
            "img_shapes": [[(1, height // 2, width // 2)]] * len(latents),
        }
        with qwen_image_network.exact_time(network, timesteps):
            out: Tensor = network(to_tokens(latents), **told, return_dict=False)[0]
        return to_latents(out, height, width)

    @override
    def guide(self, without: Tensor, towards: Tensor, guidance: float) -> Tensor:
        """What is guided gets, token by token, the length of the prediction with the prompt."""
        guided, usual = to_tokens(super().guide(without, towards, guidance)), to_tokens(towards)
        length = guided.norm(dim=-1, keepdim=True).clamp_min(torch.finfo(guided.dtype).tiny)
        return to_latents(guided * (usual.norm(dim=-1, keepdim=True) / length), *without.shape[-2:])

    @override
    @classmethod
    def write_tiny(cls, place: Path) -> None:
        small: dict[str, Any] = {"num_layers": 2, "attention_head_dim": 32, "num_attention_heads": 2}
        narrow: dict[str, Any] = {"axes_dims_rope": (4, 14, 14), "joint_attention_dim": tiny_text.VL_WIDTH}
        cls.write_tiny_network(place, {**small, **narrow})
        tiny_parts.write_qwen_vae(place / "vae")
        tiny_text.write_qwen_vl(place / "text_encoder", place / "tokenizer", "Qwen2.5-VL")
        schedule = {"shift": 1.0, "max_image_seq_len": 8192, "max_shift": 0.9, **cls.scheduler}
        tiny_parts.write_index(place, "QwenImagePipeline", schedule)
