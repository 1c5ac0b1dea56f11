"""Z-Image: a single-stream transformer that reads the states of Qwen3; rectified flow."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from typing_extensions import override

from curate.adapters.layer_name import Kind, LayerName
from curate.diffusion import tiny_parts, tiny_text
from curate.diffusion.autoencoders import flux_vae
from curate.diffusion.base import Conditions
from curate.diffusion.family import FlowFamily
from curate.diffusion.flow_transformer import FlowTransformer
from curate.diffusion.layer_tables import Blocks, Joint, layer_table, thirds
from curate.diffusion.networks import zimage_network
from curate.diffusion.text import qwen3_text
from curate.diffusion.text.caption_encoder import TextStates

# diffusers' names: files of LoRAs have them too, though a file of the network holds q, k and v in one matrix
KINDS: Mapping[str, Kind] = {
    **dict.fromkeys(("attention.to_q", "attention.to_k", "attention.to_v", "attention.to_out.0"), "attn"),
    **dict.fromkeys(("feed_forward.w1", "feed_forward.w2", "feed_forward.w3"), "mlp"),
    "adaLN_modulation.0": "time",
}
BLOCK: Blocks = {path: (path, kind) for path, kind in KINDS.items()}
JOINT: Joint = {
    **thirds("attention.qkv", "attention.to_q", "attention.to_k", "attention.to_v"),
    "attention.to_out.0": ("attention.out", (0, 1, 1)),
}
# few train these: no preset of attention and feed-forward alone has them
REFINER: Blocks = {path: (path, "edge") for path in KINDS}
EDGES: Blocks = {
    path: (path, "time" if path.startswith("t_embedder") else "edge")
    for path in (
        "all_x_embedder.2-1",
        "cap_embedder.1",
        "t_embedder.mlp.0",
        "t_embedder.mlp.2",
        "all_final_layer.2-1.adaLN_modulation.1",
        "all_final_layer.2-1.linear",
    )
}
EDGES_JOINT: Joint = {
    path: (path.removeprefix("all_").replace(".2-1", ""), (0, 1, 1)) for path in EDGES if path.startswith("all_")
}


class ZImageText(qwen3_text.Qwen3Message):
    """The caption as a message to Qwen3, which may think; its states before the last layer."""

    limit: ClassVar[int] = 512
    thinking: ClassVar[bool] = True

    @override
    def states(self, model: nn.Module, caption: str, device: torch.device) -> TextStates:
        read = self.qwen(self.message(caption), truncation=True, max_length=self.limit)["input_ids"]
        ids = torch.tensor(read, dtype=torch.long, device=device)
        return {"states": model(input_ids=ids[None], output_hidden_states=True).hidden_states[-2][0]}


class ZImage(FlowTransformer):
    """Z-Image, not its distilled sibling Turbo, which has the same layers."""

    family = FlowFamily(
        title="Z-Image",
        order=5,
        pipelines=("ZImagePipeline",),
        parts={"transformer": "ZImageTransformer2DModel", "text_encoder": "qwen3", "vae": "AutoencoderKL"},
        channels=16,
        factor=8,
        caption_tokens=512,
        blocks=30,
        draw={"timestep_sampling": "logit-normal", "flow_shift": 1.0},
        sampling={"sampler": "euler", "steps": 50, "guidance": 5.0, "flow_shift": 3.0},
        distilled_sampling={"steps": 8, "guidance": 1.0},
        file_names="diffusers",
        readers={
            "comfyui": ("diffusers", "comfyui", "lycoris", "native", "native-kohya"),
            "kohya": ("kohya",),
            "diffusers": ("diffusers", "comfyui", "kohya", "native-kohya"),
        },
        diffusers_lokr=("diffusers", "comfyui"),
        whole_keys=("cap_embedder.1.weight", "noise_refiner.0.attention.k_norm.weight", "cap_pad_token"),
        relatives={"siglip_embedder.": "Z-Image Omni", "dec_net.": "the Z-Image that works on pixels"},
        distilled=(r"turbo", r"(?<![a-z])zit(?![a-z])"),
        undistilled=(r"de[-_]?turbo", r"z[-_ ]?image(?!.*turbo)"),
        versions=("Z-Image", "Z-Image"),
        architectures=("Z-Image", "Z-Image"),
        implementation="https://github.com/Tongyi-MAI/Z-Image",
        parameters=6_154_908_736,
        forward=(2.84e-3, 3.1e-8),
        backward=(2.84e-3, 6.7e-8),
        kept=1.84e-3,
        kept_checkpointed=5.7e-5,
        names=(r"(?<![a-z])z[-_ ]?image",),
        common={"Tongyi-MAI/Z-Image": "Z-Image, photos and drawings by sentences"},
        least_gib=12,
        prompting="natural",
        kohya=("zimage_train_network", "zimage"),
        ai_toolkit=("zimage",),
        guides={
            "zimage": (
                "for Z-Image: rank and alpha 32, AdamW 1e-4, 3000 steps at 512, 768 and 1024, fp8 base",
                {
                    "musubi-tuner's documentation, ai-toolkit's preset": {"rank": 32, "learning_rate": 1e-4},
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
                    "OneTrainer's and ai-toolkit's preset": {"base_precision": "fp8"},
                    "musubi-tuner's documentation": {"timestep_sampling": "logit-normal", "flow_shift": 2.0},
                },
            ),
            "zimage-onetrainer": (
                "for Z-Image: OneTrainer's preset. Rank 16, alpha 1, AdamW 3e-4, batch 2 at 512, fp8 base",
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
                24,
                "One picture at a time fits with gradient checkpointing.",
                {"batch": 1, "gradient_checkpointing": True},
            ),
        ),
    )
    transformer = zimage_network
    network = zimage_network.NETWORK
    converter = "convert_z_image_transformer_checkpoint_to_diffusers"
    edges = EDGES
    autoencoder = flux_vae
    caption_encoder = ZImageText
    tokenizers_from = "Tongyi-MAI/Z-Image"

    @override
    def layer_names(self) -> list[LayerName]:
        model: Any = self.parts["unet"]
        found: list[LayerName] = []
        for n in range(int(model.config["n_refiner_layers"])):
            for path in (f"noise_refiner.{n}.", f"context_refiner.{n}."):
                found += layer_table("transformer", path, path, REFINER, joint=JOINT)
        for n in range(int(model.config["n_layers"])):
            found += layer_table("transformer", f"layers.{n}.", f"layers.{n}.", BLOCK, block=n, joint=JOINT)
        return [*found, *layer_table("transformer", "", "", EDGES, joint=EDGES_JOINT)]

    @override
    def predict(self, latents: Tensor, timesteps: Tensor, conditions: Conditions) -> Tensor:
        assert conditions.mask is not None
        lengths = conditions.mask.sum(1).tolist()  # the network pads by itself, and places the picture behind
        texts = [row[:length] for row, length in zip(conditions.context, lengths, strict=True)]
        given = list(latents[:, :, None].unbind())
        out = self.parts["unet"](given, 1 - timesteps, texts, return_dict=False)[0]
        return -torch.stack(out)[:, :, 0]

    @override
    @classmethod
    def write_tiny(cls, place: Path) -> None:
        small: dict[str, Any] = {"dim": 48, "n_layers": 2, "n_refiner_layers": 1, "n_heads": 3, "n_kv_heads": 3}
        narrow: dict[str, Any] = {"axes_dims": [4, 6, 6], "axes_lens": [1024, 64, 64]}
        cls.write_tiny_network(place, {**small, **narrow, "cap_feat_dim": tiny_text.WIDTH})
        tiny_parts.write_flux_vae(place / "vae")
        tiny_text.write_qwen3(place / "text_encoder", place / "tokenizer", layers=3)
        tiny_parts.write_index(place, "ZImagePipeline", {"shift": 3.0})
