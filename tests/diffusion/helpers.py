"""Narrow base models of every family on disk, and the tables of layers of full-size ones."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from curate.adapters.layer_name import LayerName
from curate.diffusion import tiny
from curate.diffusion.base import Backbone
from curate.diffusion.layer_names import UnetShape, text_layer_names, unet_layer_names
from curate.diffusion.library_logging import quiet
from curate.diffusion.load import load

KEYS = Path(__file__).parents[2] / "../shared/data/models/state_dict_keys/components"
PREFIX = {"UNET": "model.diffusion_model.", "VAE": "first_stage_model."}
FULL = {
    "sd1": {
        "UNET-v1-SD": PREFIX["UNET"],
        "VAE-v1-SD": PREFIX["VAE"],
        "CLIP-v1-SD": "cond_stage_model.transformer.text_model.",
    },
    "sd2": {"UNET-v2-SD": PREFIX["UNET"], "VAE-v1-SD": PREFIX["VAE"], "CLIP-v2-SD": "cond_stage_model.model."},
    "sdxl": {
        "UNET-XL-SD": PREFIX["UNET"],
        "VAE-v1-SD": PREFIX["VAE"],
        "CLIP-v1-SD": "conditioner.embedders.0.transformer.text_model.",
        "CLIP-XL-SD": "conditioner.embedders.1.model.",
    },
}


def narrow(place: Path, family: str, **scheduler: Any) -> Path:
    """A diffusers folder of a family's topology, narrow, with tiny's autoencoder and tokenizer."""
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
    from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

    from curate.diffusion.library_logging import quiet

    torch.manual_seed(11)
    vocabulary = len(tiny.tokenizer_tables()[0])
    text: dict[str, Any] = {
        "vocab_size": vocabulary,
        "hidden_size": 64,
        "intermediate_size": 64,
        "num_attention_heads": 1,
        "bos_token_id": vocabulary - 2,
        "eos_token_id": vocabulary - 1,
        "pad_token_id": vocabulary - 1,
    }
    unet: dict[str, Any] = {"cross_attention_dim": 64, "use_linear_projection": True, "layers_per_block": 2}
    if family == "sdxl":
        unet |= {
            "sample_size": 128,
            "block_out_channels": (64, 64, 64),
            "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
            "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
            "transformer_layers_per_block": (1, 2, 3),
            "attention_head_dim": (1, 1, 1),
            "cross_attention_dim": 128,
            "addition_embed_type": "text_time",
            "addition_time_embed_dim": 256,
            "projection_class_embeddings_input_dim": 6 * 256 + 64,
        }
    elif family == "sd2":
        unet |= {"sample_size": 96, "block_out_channels": (64, 64, 64, 64), "attention_head_dim": (1, 1, 1, 1)}
    else:
        unet |= {"sample_size": 64, "block_out_channels": (64, 64, 64, 64), "attention_head_dim": 8}
        unet["use_linear_projection"] = False
    base = tiny.folder()
    with quiet():
        UNet2DConditionModel(**unet).save_pretrained(place / "unet")
        first = {"hidden_act": "gelu" if family == "sd2" else "quick_gelu"}
        CLIPTextModel(CLIPTextConfig(**text, **first, num_hidden_layers=3)).save_pretrained(place / "text_encoder")
        if family == "sdxl":
            second = CLIPTextConfig(**text, num_hidden_layers=4, projection_dim=64, hidden_act="gelu")
            CLIPTextModelWithProjection(second).save_pretrained(place / "text_encoder_2")
            shutil.copytree(base / "tokenizer", place / "tokenizer_2")
        widths = {"block_out_channels": (32,) * 4, "layers_per_block": 1}
        blocks = {"down_block_types": ("DownEncoderBlock2D",) * 4, "up_block_types": ("UpDecoderBlock2D",) * 4}
        AutoencoderKL(**widths, **blocks, scaling_factor=0.18215).save_pretrained(place / "vae")  # type: ignore[arg-type]
    shutil.copytree(base / "tokenizer", place / "tokenizer")
    if family != "sd1":
        words = place / ("tokenizer_2" if family == "sdxl" else "tokenizer")
        pad = {"pad_token": next(iter(tiny.tokenizer_tables()[0]))}
        for config in (words / "tokenizer_config.json", words / "special_tokens_map.json"):
            config.write_text(json.dumps(json.loads(config.read_text(encoding="utf-8")) | pad))
    (place / "scheduler").mkdir()
    (place / "scheduler" / "scheduler_config.json").write_text(json.dumps({**tiny.SCHEDULER, **scheduler}))
    kind = "StableDiffusionXLPipeline" if family == "sdxl" else "StableDiffusionPipeline"
    (place / "model_index.json").write_text(json.dumps({"_class_name": kind}))
    return place


def one_file(family: str, folder: Path, path: Path, **marks: Tensor) -> Path:
    backbone = load(str(folder), True)
    state = original_names(family, backbone)
    if family == "sd2":
        state |= open_clip(backbone.parts["te1"], "cond_stage_model.model.", extra_layer=True)
    else:
        prefix = "cond_stage_model.transformer." if family == "sd1" else "conditioner.embedders.0.transformer."
        held = backbone.parts["te1"].state_dict()
        state |= {prefix + "text_model." + k.removeprefix("text_model."): v for k, v in held.items()}
    if family == "sdxl":
        state |= open_clip(backbone.parts["te2"], "conditioner.embedders.1.model.", extra_layer=False)
    tensors = {k: v.clone().contiguous() for k, v in (state | marks).items()}
    if path.suffix == ".ckpt":
        torch.save({"state_dict": tensors}, path)
    else:
        save_file(tensors, path)
    return path


def another_vae(place: Path) -> Path:
    """A narrow autoencoder with values of its own."""
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL

    blocks: dict[str, Any] = {
        "down_block_types": ("DownEncoderBlock2D",) * 4,
        "up_block_types": ("UpDecoderBlock2D",) * 4,
    }
    torch.manual_seed(8)
    with quiet():
        AutoencoderKL(block_out_channels=(32,) * 4, layers_per_block=1, scaling_factor=0.5, **blocks).save_pretrained(
            place
        )
    return place


def sd15() -> list[LayerName]:
    return text_layer_names("lora_te", "te1", 12) + unet_layer_names(
        UnetShape((1, 1, 1, 0), (0, 1, 1, 1), 1), original_names=False
    )


def sdxl() -> list[LayerName]:
    text = text_layer_names("lora_te1", "te1", 12) + text_layer_names("lora_te2", "te2", 32)
    return text + unet_layer_names(UnetShape((0, 2, 10), (10, 2, 0), 10), original_names=True)


def original_names(family: str, backbone: Backbone) -> dict[str, Tensor]:
    """The backbone's weights under the names that one-file checkpoints use."""
    listed = {"sd1": "UNET-v1-SD", "sd2": "UNET-v2-SD", "sdxl": "UNET-XL-SD"}[family]
    if not (KEYS / f"{listed}.txt").exists():
        pytest.skip(f"{KEYS} is not here")
    from diffusers.loaders import single_file_utils as theirs

    out: dict[str, Tensor] = {}
    unet, vae = backbone.parts["unet"], backbone.vae
    for model, convert, prefix in (
        (unet, theirs.convert_ldm_unet_checkpoint, PREFIX["UNET"]),
        (vae, theirs.convert_ldm_vae_checkpoint, PREFIX["VAE"]),
    ):
        names = [k for k in full_size(family) if k.startswith(prefix)]
        tags = {name: torch.full((1, 1, 1, 1), float(i)) for i, name in enumerate(names)}
        ours = convert(tags, model.config)
        own = model.state_dict()
        for key, tag in ours.items():
            if key in own:
                out[names[int(tag.flatten()[0])]] = own[key]
    return out


def open_clip(model: nn.Module, prefix: str, extra_layer: bool) -> dict[str, Tensor]:
    held = {k.removeprefix("text_model."): v for k, v in model.state_dict().items()}
    out = {
        "token_embedding.weight": held["embeddings.token_embedding.weight"],
        "positional_embedding": held["embeddings.position_embedding.weight"],
        "ln_final.weight": held["final_layer_norm.weight"],
        "ln_final.bias": held["final_layer_norm.bias"],
        "logit_scale": torch.tensor(1.0),
    }
    out["text_projection"] = held["text_projection.weight"].T if "text_projection.weight" in held else torch.eye(64)
    layers = 1 + max(int(k.split(".")[2]) for k in held if k.startswith("encoder.layers."))
    for layer in range(layers + extra_layer):
        ours, theirs = f"encoder.layers.{min(layer, layers - 1)}", f"transformer.resblocks.{layer}"
        for kind in ("weight", "bias"):
            out[f"{theirs}.attn.in_proj_{kind}"] = torch.cat([held[f"{ours}.self_attn.{w}_proj.{kind}"] for w in "qkv"])
            out[f"{theirs}.attn.out_proj.{kind}"] = held[f"{ours}.self_attn.out_proj.{kind}"]
            for a, b in (
                ("ln_1", "layer_norm1"),
                ("ln_2", "layer_norm2"),
                ("mlp.c_fc", "mlp.fc1"),
                ("mlp.c_proj", "mlp.fc2"),
            ):
                out[f"{theirs}.{a}.{kind}"] = held[f"{ours}.{b}.{kind}"]
    return {prefix + k: v for k, v in out.items()}


def full_size(family: str) -> dict[str, Tensor]:
    """A real checkpoint's keys and shapes, without values."""
    state: dict[str, Tensor] = {}
    for name, prefix in FULL[family].items():
        listed = KEYS / f"{name}.txt"
        if not listed.exists():
            pytest.skip(f"{listed} is not here")
        for line in listed.read_text(encoding="utf-8").splitlines():
            key, _, shape = line.partition(" ")
            size = json.loads(shape) if shape else []
            key = key.removeprefix(prefix)
            state[prefix + key] = torch.empty(size, device="meta")
    return state
