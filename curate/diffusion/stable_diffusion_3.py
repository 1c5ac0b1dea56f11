"""What Stable Diffusion 3.5 of every size shares: a transformer of two streams that reads CLIP's and T5's states."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor
from typing_extensions import override

from curate.adapters.layer_name import LayerName
from curate.diffusion import tiny_parts, tiny_text
from curate.diffusion.autoencoders import flux_vae
from curate.diffusion.base import Conditions
from curate.diffusion.flow_transformer import FlowTransformer
from curate.diffusion.layer_tables import Blocks, Joint, layer_table, thirds
from curate.diffusion.networks import sd3_network
from curate.diffusion.text.caption_encoder import TextStates
from curate.diffusion.text.sd3_text import FOLDERS, TOKENIZERS, SD3Text

PICTURE: Blocks = {
    **{f"attn.{what}": ("x_block.attn.qkv", "attn") for what in ("to_q", "to_k", "to_v")},
    "attn.to_out.0": ("x_block.attn.proj", "attn"),
    "ff.net.0.proj": ("x_block.mlp.fc1", "mlp"),
    "ff.net.2": ("x_block.mlp.fc2", "mlp"),
    "norm1.linear": ("x_block.adaLN_modulation.1", "time"),
}
TEXT_READ: Blocks = {
    f"attn.{what}": ("context_block.attn.qkv", "attn") for what in ("add_q_proj", "add_k_proj", "add_v_proj")
}
# not in the last block, which gives no text on; there the original model has scale and shift in the other order
TEXT_ON: Blocks = {
    "attn.to_add_out": ("context_block.attn.proj", "attn"),
    "ff_context.net.0.proj": ("context_block.mlp.fc1", "mlp"),
    "ff_context.net.2": ("context_block.mlp.fc2", "mlp"),
    "norm1_context.linear": ("context_block.adaLN_modulation.1", "time"),
}
DUAL: Blocks = {
    **{f"attn2.{what}": ("x_block.attn2.qkv", "attn") for what in ("to_q", "to_k", "to_v")},
    "attn2.to_out.0": ("x_block.attn2.proj", "attn"),
}
JOINT: Joint = {
    **thirds("x_block.attn.qkv", "attn.to_q", "attn.to_k", "attn.to_v"),
    **thirds("context_block.attn.qkv", "attn.add_q_proj", "attn.add_k_proj", "attn.add_v_proj"),
    **thirds("x_block.attn2.qkv", "attn2.to_q", "attn2.to_k", "attn2.to_v"),
}
# without norm_out.linear, for the same reason
EDGES: Blocks = {
    "time_text_embed.timestep_embedder.linear_1": ("t_embedder.mlp.0", "time"),
    "time_text_embed.timestep_embedder.linear_2": ("t_embedder.mlp.2", "time"),
    "time_text_embed.text_embedder.linear_1": ("y_embedder.mlp.0", "edge"),
    "time_text_embed.text_embedder.linear_2": ("y_embedder.mlp.2", "edge"),
    "context_embedder": ("context_embedder", "edge"),
    "proj_out": ("final_layer.linear", "edge"),
}


class SD3(FlowTransformer):
    """Base of the sizes."""

    tiny_dual: ClassVar[tuple[int, ...]]
    """Blocks of the tiny model in which pictures are attended to twice."""
    transformer = sd3_network
    converter = "convert_sd3_transformer_checkpoint_to_diffusers"
    repeated_blocks = ("JointTransformerBlock",)
    edges = EDGES
    autoencoder = flux_vae
    caption_encoder = SD3Text
    text_folders = FOLDERS
    tokenizer_folders = tuple(TOKENIZERS)
    tokenizers_from = "stabilityai/stable-diffusion-3.5-medium"
    scheduler: ClassVar[Mapping[str, Any]] = {"shift": 3.0}

    @override
    def layer_names(self) -> list[LayerName]:
        config: Any = self.parts["unet"].config
        last, dual = int(config["num_layers"]) - 1, set(config["dual_attention_layers"])
        blocks = [name for n in range(last + 1) for name in _block(n, n in dual, n == last)]
        return [*blocks, *layer_table("transformer", "", "", EDGES)]

    @override
    def collate(self, texts: Sequence[TextStates]) -> Conditions:
        context, pooled = (torch.stack([one[name] for one in texts]) for name in ("states", "pooled"))
        return Conditions(context, pooled)

    @override
    def predict(self, latents: Tensor, timesteps: Tensor, conditions: Conditions) -> Tensor:
        told = {"encoder_hidden_states": conditions.context, "pooled_projections": conditions.pooled}
        return self.parts["unet"](latents, timestep=1000 * timesteps, **told, return_dict=False)[0]

    @override
    @classmethod
    def write_tiny(cls, place: Path) -> None:
        states, pooled = tiny_text.write_sd3_text(place)
        small: dict[str, Any] = {"num_layers": 2, "attention_head_dim": 16, "num_attention_heads": 2}
        small |= {"sample_size": 16, "pos_embed_max_size": 64, "dual_attention_layers": cls.tiny_dual}
        small |= {"caption_projection_dim": 32, "joint_attention_dim": states, "pooled_projection_dim": pooled}
        cls.write_tiny_network(place, {**cls.network, **small})
        tiny_parts.write_flux_vae(place / "vae")
        tiny_parts.write_index(place, "StableDiffusion3Pipeline", {"shift": 3.0})


def _block(number: int, dual: bool, last: bool) -> Iterator[LayerName]:
    """The layers of a block; see `sd3_network`."""
    inside = {**PICTURE, **TEXT_READ, **({} if last else TEXT_ON), **(DUAL if dual else {})}
    paths = f"transformer_blocks.{number}.", f"joint_blocks.{number}."
    return layer_table("transformer", *paths, inside, block=number, joint=JOINT)
