"""What FLUX.2 klein of every size shares: a double-stream transformer that reads three layers of Qwen3."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor
from typing_extensions import override

from curate.diffusion import flux_layers, tiny_parts, tiny_text
from curate.diffusion.autoencoders import flux2_vae
from curate.diffusion.base import Conditions, LoadOptions, Parts
from curate.diffusion.dynamic_shift import empirical_shift
from curate.diffusion.flow_transformer import FlowTransformer
from curate.diffusion.layer_tables import Blocks
from curate.diffusion.locate import text_encoder_files
from curate.diffusion.networks import flux2_network
from curate.diffusion.text import qwen3_text
from curate.diffusion.text.caption_encoder import TextStates
from curate.diffusion.text.klein_text import STATES, KleinText
from curate.errors import InputError

DOUBLE: Blocks = {
    **flux_layers.ATTENTION,
    "ff.linear_in": ("img_mlp.0", "mlp"),
    "ff.linear_out": ("img_mlp.2", "mlp"),
    "ff_context.linear_in": ("txt_mlp.0", "mlp"),
    "ff_context.linear_out": ("txt_mlp.2", "mlp"),
}
# attention and feed-forward in one matrix each: who chooses attention wants them too
SINGLE: Blocks = {"attn.to_qkv_mlp_proj": ("linear1", "attn"), "attn.to_out": ("linear2", "attn")}
# without norm_out.linear: the original model has its halves, scale and shift, in the other order, and readers of
# LoRAs do not agree on whose order counts
EDGES: Blocks = {
    "x_embedder": ("img_in", "edge"),
    "context_embedder": ("txt_in", "edge"),
    "time_guidance_embed.timestep_embedder.linear_1": ("time_in.in_layer", "time"),
    "time_guidance_embed.timestep_embedder.linear_2": ("time_in.out_layer", "time"),
    "double_stream_modulation_img.linear": ("double_stream_modulation_img.lin", "time"),
    "double_stream_modulation_txt.linear": ("double_stream_modulation_txt.lin", "time"),
    "single_stream_modulation.linear": ("single_stream_modulation.lin", "time"),
    "proj_out": ("final_layer.linear", "edge"),
}


class Klein(FlowTransformer):
    """Base of the two sizes."""

    tiny_blocks: ClassVar[int] = 1
    """Double blocks of its tiny model."""
    transformer = flux2_network
    converter = "convert_flux2_transformer_checkpoint_to_diffusers"
    stacks = flux_layers.stacks(DOUBLE, SINGLE, {})
    edges = EDGES
    autoencoder = flux2_vae
    caption_encoder = KleinText
    # of both sizes: the tokenizer is the same, and this repository is open to all
    tokenizers_from = "black-forest-labs/FLUX.2-klein-base-4B"

    @override
    @classmethod
    def from_file(cls, state: Mapping[str, Tensor], place: Path, options: LoadOptions, offline: bool) -> Parts:
        found = super().from_file(state, place, options, offline)
        network: Any = found.models["unet"]
        wanted = int(network.config["joint_attention_dim"])
        width = len(STATES) * qwen3_text.width(text_encoder_files(options.text_encoder, offline)[0])
        if width != wanted:
            raise InputError(
                f"text_encoder {options.text_encoder} gives states of {width} numbers, and {place.name} reads {wanted}",
                "klein 4B reads Qwen3-4B, klein 9B Qwen3-8B",
            )
        return found

    @override
    def collate(self, texts: Sequence[TextStates]) -> Conditions:
        return Conditions(torch.stack([one["states"] for one in texts]))

    @override
    def predict(self, latents: Tensor, timesteps: Tensor, conditions: Conditions) -> Tensor:
        height, width = latents.shape[-2:]
        out = self.parts["unet"](
            hidden_states=latents.flatten(2).transpose(1, 2),
            encoder_hidden_states=conditions.context,
            timestep=timesteps,
            img_ids=_places(1, height, width, 1, device=latents.device),
            txt_ids=_places(1, 1, 1, conditions.context.shape[1], device=latents.device),
            guidance=None,
            return_dict=False,
        )[0]
        return out.transpose(1, 2).unflatten(2, (height, width))

    @override
    def latent_shape(self, width: int, height: int) -> tuple[int, int, int]:
        network: Any = self.parts["unet"]
        return int(network.config["in_channels"]), *super().latent_shape(width, height)[1:]

    @override
    def sampling_shift(self, width: int, height: int, steps: int) -> float:
        if self.schedule.get("use_dynamic_shifting") is False:
            return super().sampling_shift(width, height, steps)
        return empirical_shift(width, height, steps)

    @override
    @classmethod
    def write_tiny(cls, place: Path) -> None:
        small: dict[str, Any] = {"num_attention_heads": 2, "attention_head_dim": 16, "in_channels": 16}
        narrow: dict[str, Any] = {"joint_attention_dim": len(STATES) * tiny_text.WIDTH, "axes_dims_rope": (4,) * 4}
        blocks: dict[str, Any] = {
            "num_layers": cls.tiny_blocks,
            "num_single_layers": 1,
            "timestep_guidance_channels": 16,
        }
        cls.write_tiny_network(place, {**flux2_network.NETWORK, **small, **narrow, **blocks})
        tiny_parts.write_flux2_vae(place / "vae")
        tiny_text.write_qwen3(place / "text_encoder", place / "tokenizer", layers=STATES[-1] + 1)
        tiny_parts.write_index(place, "Flux2KleinPipeline", {"use_dynamic_shifting": True})


def _places(*counts: int, device: torch.device) -> Tensor:
    """Where tokens are on four axes: all combinations of so many, [tokens, 4]."""
    return torch.cartesian_prod(*(torch.arange(count, device=device) for count in counts))
