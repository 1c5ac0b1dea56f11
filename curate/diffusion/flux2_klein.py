"""What FLUX.2 klein of every size shares: a double-stream transformer that reads three layers of Qwen3."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from typing_extensions import override

from curate.adapters.layer_name import LayerName
from curate.diffusion import tiny_parts
from curate.diffusion.autoencoders import flux2_vae
from curate.diffusion.base import Conditions, LoadOptions, Parts
from curate.diffusion.checkpoint_file import filled
from curate.diffusion.dynamic_shift import empirical_shift
from curate.diffusion.flow_transformer import Autoencoder, Blocks, FlowTransformer, Joint, layer_table, thirds
from curate.diffusion.library_logging import quiet
from curate.diffusion.locate import text_encoder_files
from curate.diffusion.networks import flux2_network
from curate.diffusion.text import qwen3_text
from curate.diffusion.text.caption_encoder import CaptionEncoder, TextStates
from curate.diffusion.text.klein_text import STATES, KleinText
from curate.errors import InputError

DOUBLE: Blocks = {
    **{f"attn.{path}": ("img_attn.qkv", "attn") for path in ("to_q", "to_k", "to_v")},
    **{f"attn.{path}": ("txt_attn.qkv", "attn") for path in ("add_q_proj", "add_k_proj", "add_v_proj")},
    "attn.to_out.0": ("img_attn.proj", "attn"),
    "attn.to_add_out": ("txt_attn.proj", "attn"),
    "ff.linear_in": ("img_mlp.0", "mlp"),
    "ff.linear_out": ("img_mlp.2", "mlp"),
    "ff_context.linear_in": ("txt_mlp.0", "mlp"),
    "ff_context.linear_out": ("txt_mlp.2", "mlp"),
}
JOINT: Joint = {
    **thirds("img_attn.qkv", "attn.to_q", "attn.to_k", "attn.to_v"),
    **thirds("txt_attn.qkv", "attn.add_q_proj", "attn.add_k_proj", "attn.add_v_proj"),
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
    """Base of the two sizes; `network` is the configuration of the published one."""

    network: ClassVar[Mapping[str, Any]]
    tiny_blocks: ClassVar[int] = 1
    """Double blocks of its tiny model."""
    autoencoder: ClassVar[Autoencoder] = flux2_vae
    # of both sizes: the tokenizer is the same, and this repository is open to all
    tokenizers_from: ClassVar[str] = "black-forest-labs/FLUX.2-klein-base-4B"

    @override
    @classmethod
    def models_of_folder(cls, place: Path, dtype: torch.dtype) -> dict[str, nn.Module]:
        from diffusers.models.transformers.transformer_flux2 import Flux2Transformer2DModel

        given: dict[str, Any] = {"torch_dtype": dtype, "local_files_only": True}
        return {"unet": Flux2Transformer2DModel.from_pretrained(place / "transformer", **given)}

    @override
    @classmethod
    def models_of_file(cls, state: Mapping[str, Tensor], dtype: torch.dtype) -> dict[str, nn.Module]:
        from diffusers.loaders.single_file_utils import convert_flux2_transformer_checkpoint_to_diffusers
        from diffusers.models.transformers.transformer_flux2 import Flux2Transformer2DModel

        with torch.device("meta"), quiet():
            network = Flux2Transformer2DModel(**flux2_network.config_of(state))
        return {"unet": filled(network, convert_flux2_transformer_checkpoint_to_diffusers(dict(state)), dtype)}

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
    @classmethod
    def caption_encoder(cls, encoder: Path, tokenizers: Path, digest: str) -> CaptionEncoder:
        return KleinText(encoder, tokenizers, digest)

    @override
    @classmethod
    def outline(cls, configuration: Callable[[str], Mapping[str, Any]]) -> tuple[dict[str, nn.Module], nn.Module]:
        network = flux2_network.outline({**cls.network, **configuration("transformer")})
        return {"unet": network}, flux2_vae.outline()

    @override
    def layer_names(self) -> list[LayerName]:
        model: Any = self.parts["unet"]
        found, count = list[LayerName](), int(model.config["num_layers"])
        for n in range(count):
            path, theirs = f"transformer_blocks.{n}.", f"double_blocks.{n}."
            found += layer_table("transformer", path, theirs, DOUBLE, block=n, joint=JOINT)
        for n in range(int(model.config["num_single_layers"])):
            path, theirs = f"single_transformer_blocks.{n}.", f"single_blocks.{n}."
            found += layer_table("transformer", path, theirs, SINGLE, block=count + n)
        return [*found, *layer_table("transformer", "", "", EDGES)]

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
        from diffusers.models.transformers.transformer_flux2 import Flux2Transformer2DModel

        small: dict[str, Any] = {"num_attention_heads": 2, "attention_head_dim": 16, "in_channels": 16}
        narrow: dict[str, Any] = {"joint_attention_dim": len(STATES) * tiny_parts.WIDTH, "axes_dims_rope": (4,) * 4}
        blocks: dict[str, Any] = {
            "num_layers": cls.tiny_blocks,
            "num_single_layers": 1,
            "timestep_guidance_channels": 16,
        }
        torch.manual_seed(17)
        with quiet():
            network = Flux2Transformer2DModel(**{**flux2_network.NETWORK, **small, **narrow, **blocks})
            network.save_pretrained(place / "transformer")
        tiny_parts.write_flux2_vae(place / "vae")
        tiny_parts.write_qwen3(place / "text_encoder", place / "tokenizer", layers=STATES[-1] + 1)
        tiny_parts.write_index(place, "Flux2KleinPipeline", {"use_dynamic_shifting": True})


def _places(*counts: int, device: torch.device) -> Tensor:
    """Where tokens are on four axes: all combinations of so many, [tokens, 4]."""
    return torch.cartesian_prod(*(torch.arange(count, device=device) for count in counts))
