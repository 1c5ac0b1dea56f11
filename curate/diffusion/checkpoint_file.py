"""One-file checkpoints: read, and their UNets, text encoders and autoencoders configured from the tensors' shapes."""

from __future__ import annotations

import pickle
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from curate.diffusion.casting import wants_float32
from curate.diffusion.library_logging import quiet
from curate.errors import InputError, library_reason

UNET, VAE = "model.diffusion_model.", "first_stage_model."


def read(path: Path) -> dict[str, Tensor]:
    """All tensors of a checkpoint; a pickle is read without running anything in it. Raises InputError."""
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(path)
        found: Any = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # whatever the format's reader trips over
        if isinstance(error, pickle.UnpicklingError) and "GLOBAL" in str(error):
            remedy = "fetch the model as safetensors, which holds no code"
            raise InputError(f"{path} contains code beside its weights, so it was not read", remedy) from error
        said = library_reason(error)
        raise InputError(
            f"{path} cannot be read as a checkpoint: {said}", "the file is incomplete: download it again"
        ) from error
    found = found.get("state_dict", found) if isinstance(found, Mapping) else found
    if not isinstance(found, Mapping):
        raise InputError(f"{path} is not a checkpoint: it contains a {type(found).__name__} instead of named tensors")
    return {key: value for key, value in found.items() if isinstance(value, Tensor)}


def unet_config(state: Mapping[str, Tensor]) -> dict[str, Any]:
    """A UNet's configuration, read off the shapes of its tensors; transformer blocks by level, heads of 64 channels.

    Raises InputError for other inputs than 4 channels.
    """
    inputs = state[f"{UNET}input_blocks.0.0.weight"].shape[1]
    if inputs != 4:
        raise InputError(f"its UNet takes {inputs} channels (inpainting or editing)", "4-channel models can be trained")
    widths: list[int] = []
    depths: list[int] = []
    numbers = sorted({int(m[1]) for k in state if (m := re.match(re.escape(UNET) + r"input_blocks\.(\d+)\.", k))})
    for number in numbers[1:]:
        prefix = f"{UNET}input_blocks.{number}"
        if f"{prefix}.0.op.weight" in state:
            continue
        width = state[f"{prefix}.0.out_layers.3.weight"].shape[0]
        blocks = {
            int(m[1]) for k in state if (m := re.match(re.escape(prefix) + r"\.1\.transformer_blocks\.(\d+)\.", k))
        }
        widths.append(width)
        depths.append(len(blocks))
    widths, depths = widths[::2], depths[::2]  # two residual blocks a level
    cross = next(t.shape[1] for k, t in state.items() if k.startswith(UNET) and k.endswith("attn2.to_k.weight"))
    return {
        "block_out_channels": tuple(widths),
        "down_block_types": tuple("CrossAttnDownBlock2D" if d else "DownBlock2D" for d in depths),
        "up_block_types": tuple("CrossAttnUpBlock2D" if d else "UpBlock2D" for d in reversed(depths)),
        "transformer_layers_per_block": tuple(max(1, d) for d in depths),
        "layers_per_block": 2,
        "cross_attention_dim": cross,
        "attention_head_dim": tuple(max(1, w // 64) for w in widths),
        "use_linear_projection": True,
    }


def unet_of(state: Mapping[str, Tensor], config: Mapping[str, Any], dtype: torch.dtype) -> nn.Module:
    """The UNet of a checkpoint, frozen. Raises InputError."""
    from diffusers.loaders.single_file_utils import convert_ldm_unet_checkpoint
    from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel

    with torch.device("meta"), quiet():
        unet = UNet2DConditionModel(**config)
    converted = convert_ldm_unet_checkpoint({k: v for k, v in state.items() if k.startswith(UNET)}, unet.config)
    return filled(unet, converted, dtype)


def vae_of(state: Mapping[str, Tensor], scaling: float) -> nn.Module:
    """The autoencoder of a checkpoint, its keys under `first_stage_model.`, configured from its shapes."""
    from diffusers.loaders.single_file_utils import convert_ldm_vae_checkpoint
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL

    widths = [
        state[f"{VAE}encoder.down.{level}.block.0.conv1.weight"].shape[0]
        for level in range(8)
        if f"{VAE}encoder.down.{level}.block.0.conv1.weight" in state
    ]
    each = sum(1 for n in range(8) if f"{VAE}encoder.down.0.block.{n}.conv1.weight" in state)
    config: dict[str, Any] = {
        "block_out_channels": tuple(widths),
        "down_block_types": ("DownEncoderBlock2D",) * len(widths),
        "up_block_types": ("UpDecoderBlock2D",) * len(widths),
    }
    with torch.device("meta"), quiet():
        vae = AutoencoderKL(layers_per_block=each, scaling_factor=scaling, **config)
    return filled(vae, convert_ldm_vae_checkpoint(dict(state), vae.config), torch.float32)


def clip_of(
    state: Mapping[str, Tensor], prefix: str, dtype: torch.dtype, act: str = "quick_gelu", projection: int = 0
) -> nn.Module:
    """CLIP's text encoder under a prefix, with or without the `text_model` level. Raises KeyError for one not whole.

    `projection` is the width of what it makes of a whole caption; 0 for an encoder without it.
    """
    held = {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}
    return _clip({k.removeprefix("text_model."): v for k, v in held.items()}, dtype, act, projection)


def _clip(tensors: Mapping[str, Tensor], dtype: torch.dtype, act: str = "quick_gelu", projection: int = 0) -> nn.Module:
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

    vocabulary, width = tensors["embeddings.token_embedding.weight"].shape
    layers = 1 + max(int(m[1]) for k in tensors if (m := re.match(r"encoder\.layers\.(\d+)\.", k)))
    config = CLIPTextConfig(
        vocab_size=vocabulary,
        hidden_size=width,
        intermediate_size=tensors["encoder.layers.0.mlp.fc1.weight"].shape[0],
        num_hidden_layers=layers,
        num_attention_heads=max(1, width // 64),
        max_position_embeddings=tensors["embeddings.position_embedding.weight"].shape[0],
        hidden_act=act,
        projection_dim=projection or width,
        bos_token_id=vocabulary - 2,
        eos_token_id=vocabulary - 1,
        pad_token_id=vocabulary - 1,
    )
    with torch.device("meta"), quiet():
        model: nn.Module = (CLIPTextModelWithProjection if projection else CLIPTextModel)(config)
    own = set(model.state_dict())
    # transformers 4 and, inside the model with a projection, 5 as well keep the text_model level
    renamed = {k if k in own or f"text_model.{k}" not in own else f"text_model.{k}": v for k, v in tensors.items()}
    made = filled(model, {k: v for k, v in renamed.items() if not k.endswith("position_ids")}, dtype)
    embeddings: Any = getattr(made, "text_model", made).embeddings
    embeddings.position_ids = torch.arange(config.max_position_embeddings).expand(1, -1)
    return made


def open_clip_of(state: Mapping[str, Tensor], prefix: str, dtype: torch.dtype, last_but_one: bool) -> nn.Module:
    """OpenCLIP's names to CLIP's: its attention holds query, key and value in one matrix."""
    held = {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}
    out: dict[str, Tensor] = {
        "embeddings.token_embedding.weight": held["token_embedding.weight"],
        "embeddings.position_embedding.weight": held["positional_embedding"],
        "final_layer_norm.weight": held["ln_final.weight"],
        "final_layer_norm.bias": held["ln_final.bias"],
    }
    names = {"ln_1": "layer_norm1", "ln_2": "layer_norm2", "mlp.c_fc": "mlp.fc1", "mlp.c_proj": "mlp.fc2"}
    names["attn.out_proj"] = "self_attn.out_proj"
    layers = 1 + max(int(m[1]) for k in held if (m := re.match(r"transformer\.resblocks\.(\d+)\.", k)))
    for layer in range(layers - 1 if last_but_one else layers):
        theirs, ours = f"transformer.resblocks.{layer}", f"encoder.layers.{layer}"
        for kind in ("weight", "bias"):
            out |= {f"{ours}.{b}.{kind}": held[f"{theirs}.{a}.{kind}"] for a, b in names.items()}
            thirds = held[f"{theirs}.attn.in_proj_{kind}"].chunk(3)
            out |= {f"{ours}.self_attn.{w}_proj.{kind}": t for w, t in zip("qkv", thirds, strict=True)}
    if last_but_one:
        return _clip(out, dtype, act="gelu")
    projection = held["text_projection"]
    return _clip({**out, "text_projection.weight": projection.T.contiguous()}, dtype, "gelu", projection.shape[1])


def filled(model: nn.Module, tensors: Mapping[str, Tensor], dtype: torch.dtype) -> nn.Module:
    """The model with these tensors for its own; every one must be there. Raises InputError."""
    try:
        cast = {k: v.to(torch.float32 if wants_float32(model, k) else dtype) for k, v in tensors.items()}
        model.load_state_dict(cast, strict=True, assign=True)
    except RuntimeError as error:
        raise InputError(f"the checkpoint does not hold what its family needs: {library_reason(error)}") from error
    return model.requires_grad_(False).eval()
