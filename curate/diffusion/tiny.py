"""The embedded base model `tiny`: the SD 1.x architecture, narrow, built from a seed into a cache folder."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from curate.core.cache import cache_folder
from curate.diffusion.diffusers_folder import write_models
from curate.diffusion.text import byte_bpe

if TYPE_CHECKING:
    from torch import nn

VERSION = "tiny-1"
RESOLUTION = 128
SEED = 20230926

UNET: dict[str, Any] = {
    "sample_size": RESOLUTION // 8,
    "block_out_channels": (16, 32, 32, 32),
    "layers_per_block": 2,
    "cross_attention_dim": 32,
    "attention_head_dim": 4,
    "norm_num_groups": 8,
}
TEXT: dict[str, Any] = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "projection_dim": 32,
    "max_position_embeddings": 77,
    "hidden_act": "quick_gelu",
}
VAE: dict[str, Any] = {
    "block_out_channels": (8, 8, 8, 8),
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
    "layers_per_block": 1,
    "norm_num_groups": 1,
    "latent_channels": 4,
    "scaling_factor": 0.18215,
}
SCHEDULER = {
    "_class_name": "DDPMScheduler",
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "num_train_timesteps": 1000,
    "prediction_type": "epsilon",
    "clip_sample": False,
    "set_alpha_to_one": False,
    "steps_offset": 1,
}
# Words that captions are made of; the tokenizer's merges are learned from them, frequent letter pairs first.
WORDS = str.split("""
a an the of on in with and at by from over under near behind two three one solo girl boy man woman person people animal
dog cat bird horse bear fox wolf robot toy doll vase candle car backpack robe dress shirt skirt hat coat shoes boots
gloves scarf cartoon photo picture painting drawing sketch portrait statue building house tree flower forest mountain
river sea sky cloud sun moon star night day morning evening winter summer spring autumn snow rain fire water grass
stone wood metal glass red orange yellow green blue purple pink brown black white grey gray golden silver dark light
bright simple background foreground theme monochrome greyscale colourful plain pattern striped checkered round square
triangle circle long short big small large little old young new happy sad standing sitting lying running walking
jumping looking viewer holding smile open closed mouth eyes hair ears tail hands arms legs face head body full upper
lower side front back view close wearing style detailed soft blurry sharp outdoors indoors window door table chair bed
book cup bottle bag box ball shape trigger character object pose clothing subject masterpiece quality best high low
resolution absurdres highres
""")


def folder() -> Path:
    """The diffusers folder of `tiny`, built where it is missing (about a second)."""
    try:
        return _built_in(cache_folder())
    except OSError:
        return _built_in(Path(tempfile.gettempdir()) / "curate")


def digest() -> str:
    """What identifies the weights of `tiny`: everything they are made from."""
    recipe = json.dumps([VERSION, SEED, UNET, TEXT, VAE, SCHEDULER, WORDS], sort_keys=True)
    return hashlib.sha256(recipe.encode()).hexdigest()


def _built_in(place: Path) -> Path:
    target = place / f"{VERSION}-{digest()[:12]}"
    if (target / "model_index.json").exists():
        return target
    place.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=".tiny-", dir=place))
    try:
        build(work)
        # the rename fails where another process was quicker; its folder holds the same
        if not (target / "model_index.json").exists():
            shutil.rmtree(target, ignore_errors=True)
            work.replace(target)
    except OSError:
        if not (target / "model_index.json").exists():
            raise
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return target


def build(place: Path) -> None:
    """Writes the model to `place` as a diffusers folder."""
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
    from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel

    vocabulary = write_tokenizer(place / "tokenizer")
    ends = {"bos_token_id": vocabulary["<|startoftext|>"], "eos_token_id": vocabulary["<|endoftext|>"]}
    text = CLIPTextModel(CLIPTextConfig(vocab_size=len(vocabulary), pad_token_id=ends["eos_token_id"], **ends, **TEXT))
    unet, vae = UNet2DConditionModel(**UNET), AutoencoderKL(**VAE)
    for name, model in (("unet", unet), ("text_encoder", text)):
        _seed_weights(model, name)
    _pixelate(vae)
    write_models(place, unet, text, vae, SCHEDULER)


def tokenizer_tables() -> tuple[dict[str, int], list[tuple[str, str]]]:
    """The vocabulary and the merges of its tokenizer."""
    return byte_bpe.tables(WORDS)


def write_tokenizer(place: Path) -> dict[str, int]:
    """Writes the tokenizer alone to `place`, and returns its vocabulary."""
    return byte_bpe.write(place, WORDS)


def _seed_weights(model: nn.Module, name: str) -> None:
    """Fills every parameter from its name and SEED, with the spread its layer type starts with; norms start at one."""
    import numpy as np
    import torch

    with torch.no_grad():
        for key, parameter in model.named_parameters():
            number = int.from_bytes(hashlib.sha256(f"{SEED}/{name}/{key}".encode()).digest()[:8], "big")
            draw = np.random.Generator(np.random.PCG64(number))
            shape = tuple(parameter.shape)
            if "norm" in key:
                parameter.fill_(1.0 if key.endswith("weight") else 0.0)
            elif "embedding" in key and "time" not in key:
                parameter.copy_(torch.from_numpy(draw.standard_normal(shape).astype(np.float32) * 0.5))
            else:
                bound = (parameter[0].numel() if parameter.dim() > 1 else parameter.numel()) ** -0.5
                # a bias of zero and a weight of this spread keep a signal's size through the layer
                value = draw.uniform(-bound, bound, shape) * (3**0.5 if parameter.dim() > 1 else 0.0)
                parameter.copy_(torch.from_numpy(value.astype(np.float32)))


def _pixelate(vae: nn.Module) -> None:
    """Sets an autoencoder's weights so that it encodes to the mean colour of 8×8 blocks and decodes to their mosaic.

    Colours travel as pairs (x, −x), because silu(x) − silu(−x) = x, beside a pair of large constants that
    keep the last group norm's divisor the same for every picture. Latents: red, green, blue and their mean.
    """
    import torch

    constant, gain, logvar = 30.0, 1 / (0.5 * 0.18215), -10.0
    undo = constant / 2  # what the norm divides by: the rms of 8 channels of which 2 hold the constant
    with torch.no_grad():
        for key, parameter in vae.named_parameters():
            parameter.fill_(1.0 if "norm" in key and key.endswith("weight") else 0.0)
        state: dict[str, torch.Tensor] = dict(vae.named_parameters())
        signs = torch.tensor([1.0, -1.0])
        for c in range(3):
            state["encoder.conv_in.weight"][2 * c : 2 * c + 2, c, 1, 1] = signs
            state["encoder.conv_out.weight"][c, 2 * c : 2 * c + 2, 1, 1] = signs * undo * gain
            state["encoder.conv_out.weight"][3, 2 * c : 2 * c + 2, 1, 1] = signs * undo * gain / 3
            state["decoder.conv_in.weight"][2 * c : 2 * c + 2, c, 1, 1] = signs / gain
            state["decoder.conv_out.weight"][c, 2 * c : 2 * c + 2, 1, 1] = signs * undo
        state["encoder.conv_out.bias"][4:] = logvar
        for part in ("encoder", "decoder"):
            state[f"{part}.conv_in.bias"][6:] = signs * constant
        for key, parameter in state.items():
            if "downsamplers" in key and key.endswith("weight"):
                parameter[:, :, :2, :2] = torch.eye(8)[:, :, None, None] / 4
            elif "upsamplers" in key and key.endswith("weight"):
                parameter[:, :, 1, 1] = torch.eye(8)
            elif key.endswith("quant_conv.weight"):
                parameter[:, :, 0, 0] = torch.eye(parameter.shape[0])
