"""What cannot be trained, by what its file or folder holds, as its users call it."""

from __future__ import annotations

import re
from collections.abc import Collection

from curate.adapters.algorithm import algorithms

PIPELINES = {
    "Flux": "FLUX.1 schnell",
    "Flux2": "FLUX.2 dev",
    "Flux2KleinKV": "the distilled FLUX.2 klein KV",
    "StableDiffusionXLImg2Img": "the SDXL refiner",
    "StableDiffusionInpaint": "an inpainting model",
    "StableDiffusionXLInpaint": "an inpainting model",
    "StableDiffusionInstructPix2Pix": "an editing model",
    "PixArtAlpha": "PixArt",
    "PixArtSigma": "PixArt Sigma",
    "Sana": "Sana",
    "AuraFlow": "AuraFlow",
    "Lumina": "Lumina",
    "QwenImageEdit": "Qwen-Image-Edit",
    "QwenImageEditPlus": "Qwen-Image-Edit",
    "QwenImageLayered": "Qwen-Image-Layered",
    "HunyuanDiT": "HunyuanDiT",
    "Kolors": "Kolors",
    "StableCascade": "Stable Cascade",
    "WuerstchenDecoder": "Würstchen",
    "Wan": "Wan",
}
"""Of diffusers, without the ending Pipeline."""
NAMES = (
    (r"flux[-_. ]?2(?!.*klein)", "FLUX.2 dev"),
    (r"flux[-_. ]?3", "FLUX.3"),
    (r"schnell", "FLUX.1 schnell"),
    (r"flux.*(fill|kontext|depth|canny|redux)", "a FLUX.1 for editing"),
    (r"qwen[-_ ]?image[-_ ]?edit", "Qwen-Image-Edit"),
    (r"qwen[-_ ]?image[-_ ]?layered", "Qwen-Image-Layered"),
    (r"lumina[-_]?(next|t2x|t2i|mgpt|accessory)", "Lumina"),
    (r"kolors", "Kolors"),
    (r"pixart", "PixArt"),
    (r"cascade|wuerstchen", "Stable Cascade"),
    (r"hunyuan", "HunyuanDiT"),
    (r"\bwan[-_.]?\d", "Wan"),
    (r"refiner", "the SDXL refiner"),
)
"""What a base's name tells, as regular expressions in lower case; the first that fits counts."""
KEYS = {
    "nerf_blocks.": "Chroma Radiance",
    "early_stream_modulations.": "FLUX.3",
    **dict.fromkeys(
        ("double_stream_modulation_img.", "single_blocks.47.", "single_transformer_blocks.47."), "FLUX.2 dev"
    ),
    "double_blocks.": "FLUX.1 of another kind than dev",
    "single_transformer_blocks.": "FLUX.1 of another kind than dev",
    "adaln_single.": "PixArt",
    "y_embedder.y_proj.": "PixArt",
    "caption_norm.": "Sana",
    "text_embedding.0.": "Wan",
    "double_layers.": "AuraFlow",
    "layers.0.adaLN_modulation.0.": "Ming-Image",
    "cap_embedder.": "Lumina",
    "mlp_t5.": "HunyuanDiT",
    "blocks.0.mlp.layer1.weight": "Cosmos-Predict2 without Anima's conditioner",
    "effnet_mapper.": "Stable Cascade",
    "conditioner.embedders.0.model.ln_final.weight": "the SDXL refiner",
    "lora_A.weight": "a LoRA",
    "control_model.": "a ControlNet",
    "input_hint_block.": "a ControlNet",
    "emb_params": "an embedding",
    "encoder.down.0.block.0.conv1.weight": "an autoencoder alone",
    "decoder.middle.0.residual.0.gamma": "an autoencoder alone",
    "layers.0.self_attn.q_proj.weight": "a text encoder alone",
    "encoder.block.0.layer.0.SelfAttention.q.weight": "a text encoder alone",
    "model.diffusion_model.input_blocks.0.0.weight": "a UNet without text encoder",
    "down_blocks.0.resnets.0.conv1.weight": "one part of a diffusers model",
}
"""A part of a checkpoint's key; the first that fits counts."""


def of_pipeline(kind: str) -> str:
    """What a folder of diffusers with this pipeline is called."""
    return PIPELINES.get(kind.removesuffix("Pipeline"), f"a {kind}")


def of_keys(keys: Collection[str]) -> str:
    """What a file with these keys is called; "" where nothing is known of it."""
    for mark, name in KEYS.items():
        if any(mark in key for key in keys):
            return name
    for found in algorithms().values():
        # suffixes that a model's own tensors cannot have, alone or with a number behind: lokr_w1_a
        own = [f".{suffix}" for suffix in (found.detects, *found.tensors) if "_" in suffix or suffix == found.detects]
        if any(key.endswith(end) or f"{end}_" in key for end in own if end != "." for key in keys):
            return f"a {found.title}"
    return ""


LORA_MARKS = {
    "single_transformer_blocks": "FLUX",
    "single_blocks": "FLUX",
    "lora_prior_": "Stable Cascade",
    "lora_te3_": "FLUX",
    "transformer_blocks_0_attn_to_q": "FLUX",
}
"""A part of a LoRA's key, with underscores for dots, beside those of checkpoints; the first that fits counts."""


def of_lora(keys: Collection[str]) -> str:
    """What a LoRA with these keys is for, of the families that cannot be trained; "" where nothing is known of it."""
    plain = [key.replace(".", "_") for key in keys]
    checkpoints = {mark: name for mark, name in KEYS.items() if not name.startswith(("a ", "an ", "the ", "one "))}
    for mark, name in (checkpoints | LORA_MARKS).items():
        if any(mark.replace(".", "_").rstrip("_") in key for key in plain):
            return name
    return ""


def of_name(name: str) -> str:
    """What a base of this name is called; "" where nothing is known of it."""
    return next((what for pattern, what in NAMES if re.search(pattern, name.lower())), "")
