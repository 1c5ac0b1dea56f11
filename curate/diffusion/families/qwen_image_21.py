"""Qwen-Image 2.1: one stream of Qwen3-VL's text and the picture, each token seeing what stands before it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from typing_extensions import override

from curate.adapters.layer_name import Kind
from curate.diffusion import tiny_parts, tiny_text
from curate.diffusion.autoencoders import qwen21_vae
from curate.diffusion.base import Conditions
from curate.diffusion.family import FlowFamily
from curate.diffusion.flow_transformer import FlowTransformer
from curate.diffusion.layer_tables import Blocks, Joint, Stack
from curate.diffusion.networks import qwen_image21_network
from curate.diffusion.networks.qwen_image_network import exact_time
from curate.diffusion.one_length import by_length
from curate.diffusion.text import qwen_vl_text
from curate.diffusion.text.caption_encoder import CaptionEncoder, TextStates, read_tokenizer

KINDS: Mapping[str, Kind] = {
    **{f"attn.{path}": "attn" for path in ("to_q", "to_k", "to_v", "to_out.0")},
    **{f"img_mlp.{path}": "mlp" for path in ("proj", "out", "gate_layer")},
}
# the original model has diffusers' names, but for two matrices that its files hold in one
BLOCK: Blocks = {path: (path, kind) for path, kind in KINDS.items()}
JOINT: Joint = {
    "img_mlp.gate_layer": ("img_mlp.gate_up", (0, 1, 2)),
    "img_mlp.proj": ("img_mlp.gate_up", (1, 2, 2)),
}
EDGES: Blocks = {
    path: (path, "time" if path.startswith(("time_text_embed", "modulation")) else "edge")
    for path in (
        "time_text_embed.timestep_embedder.linear_1",
        "time_text_embed.timestep_embedder.linear_2",
        "txt_in.in_layer",
        "txt_in.out_layer",
        "img_in",
        "modulation.1",
        "norm_out.linear",
        "proj_out",
    )
}
BEFORE = "<|im_start|>system\nComprehend and analyze the provided prompt.<|im_end|>\n"
"""What stands before the user's turn; its states are dropped."""


class QwenImage21Text(CaptionEncoder):
    """The caption in a message that is to be understood: Qwen3-VL's states before its last norm."""

    # diffusers cuts nothing; the network has 8192 places for text and picture
    limit: ClassVar[int] = 4096

    def __init__(self, encoder: Path, tokenizers: Path, digest: str) -> None:
        super().__init__(lambda dtype: _without_norm(qwen_vl_text.load(encoder, dtype, "Qwen3-VL")), digest)
        self.qwen = read_tokenizer("Qwen2Tokenizer", tokenizers / "processor")
        self.dropped = len(self.qwen(BEFORE)["input_ids"])

    @override
    def count(self, caption: str) -> int:
        return len(self.qwen(_message(caption), verbose=False)["input_ids"]) - self.dropped

    @override
    def states(self, model: nn.Module, caption: str, device: torch.device) -> TextStates:
        read = self.qwen(_message(caption), truncation=True, max_length=self.limit + self.dropped)["input_ids"]
        ids = torch.tensor(read, dtype=torch.long, device=device)
        return {"states": model(input_ids=ids[None]).last_hidden_state[0, self.dropped :]}


def _message(caption: str) -> str:
    return f"{BEFORE}<|im_start|>user\n{caption or ' '}<|im_end|>\n<|im_start|>assistant\n"


def _without_norm(model: Any) -> nn.Module:
    model.norm = nn.Identity()
    return model


class QwenImage21(FlowTransformer):
    """Qwen-Image 2.1, by captions alone: pictures to go by are another task."""

    family = FlowFamily(
        title="Qwen-Image 2.1",
        order=9,
        pipelines=("QwenImage21Pipeline",),
        components=("transformer", "text_encoder", "processor", "vae", "scheduler"),
        parts={
            "transformer": "QwenImage21Transformer2DModel",
            "text_encoder": "qwen3_vl",
            "vae": "AutoencoderKLQwenImage21",
        },
        channels=64,
        factor=16,
        step=32,
        caption_tokens=4096,
        blocks=32,
        draw={"timestep_sampling": "logit-normal", "dynamic_shift": True},
        shift_line=(256, 0.5, 4096, 1.15),
        sampling={"sampler": "euler", "steps": 40, "guidance": 1.0},
        file_names="diffusers",
        readers={
            "comfyui": ("diffusers", "native", "native-kohya"),
            "diffusers": ("diffusers", "comfyui"),
        },
        whole_keys=("txt_in.text_norm.weight", "img_in.weight"),
        distilled=(r"turbo", r"lightning", r"lightx2v", r"\d[-_ ]?steps?(?![a-z])"),
        undistilled=(r"qwen[-_ ]?image[-_ ]?2[._]?1(?!\d)(?!.*(turbo|lightning|lightx2v|\d[-_ ]?step))",),
        versions=("Qwen-Image-2.1", "Qwen-Image-2.1"),
        architectures=("Qwen-Image-2.1", "Qwen-Image-2.1"),
        implementation="https://github.com/QwenLM/Qwen-Image",
        parameters=7_115_124_736,
        forward=(3.49e-3, 3.3e-8),
        backward=(3.49e-3, 7.1e-8),
        kept=1.6e-3,
        kept_checkpointed=6.3e-5,
        names=(r"qwen[-_ ]?image[-_ ]?2[._]?1(?!\d)",),
        common={"Qwen/Qwen-Image-2.1": "Qwen-Image 2.1, photos and lettering by sentences"},
        least_gib=12,
        prompting="natural",
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
    transformer = qwen_image21_network
    network = qwen_image21_network.NETWORK
    stacks = (Stack("transformer_blocks", "transformer_blocks", "num_layers", BLOCK, JOINT),)
    edges = EDGES
    autoencoder = qwen21_vae
    caption_encoder = QwenImage21Text
    tokenizer_folders = ("processor",)
    tokenizers_from = "Qwen/Qwen-Image-2.1"
    scheduler: ClassVar[Mapping[str, Any]] = {"use_dynamic_shifting": True}

    @override
    @classmethod
    def models_of_file(cls, state: Mapping[str, Tensor], dtype: torch.dtype) -> dict[str, nn.Module]:
        from diffusers.loaders.single_file_utils import convert_qwen_image21_transformer_checkpoint_to_diffusers

        return super().models_of_file(convert_qwen_image21_transformer_checkpoint_to_diffusers(dict(state)), dtype)

    @override
    @classmethod
    def complete(cls, network: Any) -> Any:
        return qwen_image21_network.complete(network)

    @override
    def predict(self, latents: Tensor, timesteps: Tensor, conditions: Conditions) -> Tensor:
        # where the picture stands hangs on the length of the text, padding and all
        return by_length(self._alike, latents, timesteps, conditions)

    def _alike(self, latents: Tensor, times: Tensor, context: Tensor) -> Tensor:
        """The prediction for captions of one length."""
        network: Any = self.parts["unet"]
        count, _, height, width = latents.shape
        slots = context.new_zeros(count, context.shape[1] + height * width // 4, dtype=torch.bool)
        slots[:, context.shape[1] :] = True
        told = {"img_shapes": [[(1, height, width)]] * count, "img_mask": slots}
        with exact_time(network, torch.cat([times, times.new_zeros(1)])):
            tokens = latents.flatten(2).transpose(1, 2)
            out: Tensor = network(tokens, context, times, **told, return_dict=False)[0]
        return out[:, -height * width :].transpose(1, 2).unflatten(2, (height, width))

    @override
    @classmethod
    def write_tiny(cls, place: Path) -> None:
        small: dict[str, Any] = {"num_layers": 2, "attention_head_dim": 32, "num_attention_heads": 2, "mlp_ratio": 2}
        narrow: dict[str, Any] = {"axes_dims_rope": (4, 14, 14), "context_in_dim": tiny_text.VL_WIDTH}
        cls.write_tiny_network(place, {**small, **narrow})
        tiny_parts.write_qwen21_vae(place / "vae")
        tiny_text.write_qwen_vl(place / "text_encoder", place / "processor", "Qwen3-VL", prompt=BEFORE)
        tiny_parts.write_index(place, "QwenImage21Pipeline", {"shift": 1.0, **cls.scheduler})
