"""Tensors under the names of the files that models were published as."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn


def renamed(key: str, names: Mapping[str, str]) -> str:
    for ours, theirs in names.items():
        key = key.replace(ours, theirs)
    return key


def original_vae(vae: nn.Module) -> dict[str, Tensor]:
    """An autoencoder's tensors under the names of the published ae.safetensors."""
    found: dict[str, Tensor] = {}
    names = {"conv_norm_out": "norm_out", "mid_block.resnets.0": "mid.block_1", "mid_block.resnets.1": "mid.block_2"}
    names |= {"mid_block.attentions.0": "mid.attn_1", "conv_shortcut": "nin_shortcut", "group_norm": "norm"}
    names |= {f"up_blocks.{n}.": f"up.{3 - n}." for n in range(4)}
    names |= {"to_q": "q", "to_k": "k", "to_v": "v", "to_out.0": "proj_out", "down_blocks": "down"}
    names |= {"downsamplers.0": "downsample", "upsamplers.0": "upsample", "resnets": "block"}
    for key, tensor in vae.state_dict().items():
        projection = ".attentions." in key and tensor.dim() == 2
        found[renamed(key, names)] = tensor[:, :, None, None] if projection else tensor
    return found
