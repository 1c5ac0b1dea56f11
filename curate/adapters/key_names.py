"""What programs call the layers and the tensors of a LoRA file: read in every spelling, written in four."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Literal

from curate.adapters.algorithm import algorithms
from curate.adapters.layer_name import LayerName, Rows

Spelling = Literal[
    "kohya",
    "kohya-diffusers",
    "lycoris",
    "original",
    "diffusers",
    "diffusers-old",
    "peft",
    "comfyui",
    "native",
    "native-kohya",
    "broken",
]
"""Who calls layers so.

kohya            lora_unet_input_blocks_4_1_…, lora_te1_text_model_…
kohya-diffusers  the same with diffusers' names where kohya takes the original checkpoint's (SDXL)
original         the same with the original checkpoint's names where kohya takes diffusers' (SD 1.x, SD 2.x)
lycoris          lycoris_ instead of lora_
diffusers        unet.down_blocks.…, text_encoder.text_model.…
diffusers-old    unet.….processor.to_q_lora.down.weight
peft             base_model.model.… of one model
comfyui          diffusion_model.input_blocks.…, text_encoders.clip_l.transformer.…
native           diffusion_model.… of the original network where that has other layers, such as q, k and v in one matrix
native-kohya     lora_unet_… of the same
broken           no program reads it, and which layer is meant is clear
"""
WRITTEN = ("kohya", "diffusers", "peft", "comfyui")
"""The spellings that are written."""
PARTS: dict[str, tuple[str, ...]] = {
    "unet": ("unet",),
    "te1": ("text_encoder", "te1"),
    "te2": ("text_encoder_2", "te2"),
}
"""What diffusers and PEFT call the models; the first is diffusers'."""
COMFYUI_TEXTS = {"te1": ("clip_l", "clip_h"), "te2": ("clip_g",)}
ALL: Rows = (0, 1, 1)
"""All rows: the layer has a matrix of its own."""
DOWN, UP = "lora_down.weight", "lora_up.weight"
PEFT = {"lora_A.weight": DOWN, "lora_B.weight": UP}
"""What PEFT and diffusers call the factors."""
ENDINGS = {
    **{f".{theirs}": ours for theirs, ours in PEFT.items()},
    ".lora_A.default.weight": DOWN,
    ".lora_B.default.weight": UP,
    ".lora.down.weight": DOWN,
    ".lora.up.weight": UP,
    "_lora.down.weight": DOWN,
    "_lora.up.weight": UP,
    ".lora_linear_layer.down.weight": DOWN,
    ".lora_linear_layer.up.weight": UP,
    ".lora_magnitude_vector.weight": "lora_magnitude_vector",
    ".lora_magnitude_vector.default.weight": "lora_magnitude_vector",
}
"""Endings of keys that mean one of our suffixes."""
FOREIGN = ("bm.weight", "oft_R.weight", "oft_diag", "oft_blocks.weight", "lora_magnitude_vector", "reshape_weight")
"""Suffixes that programs write and curate reads no values of."""


@dataclass(frozen=True, slots=True)
class Alias:
    """A layer under one of its names: our key, and who calls it so.

    joint, rows  where the name stands for rows of a layer that files hold together with others: the name of that one
    """

    key: str
    spelling: Spelling
    joint: str = ""
    rows: Rows | None = None


@cache
def suffixes() -> tuple[str, ...]:
    """Every suffix of a tensor, the longest first; `weight` of (IA)³ is the last that fits."""
    own = {suffix for found in algorithms().values() for suffix in found.tensors}
    return tuple(sorted(own | {"alpha", "dora_scale", *FOREIGN}, key=lambda s: (-len(s), s)))


@cache
def _endings() -> tuple[tuple[str, str], ...]:
    """Endings of keys with the suffix that each means: those of other programs, then ours; the longest first."""
    foreign = sorted(ENDINGS.items(), key=lambda pair: -len(pair[0]))
    return (*foreign, *((f".{suffix}", suffix) for suffix in suffixes()))


@lru_cache(1 << 16)
def split(key: str) -> tuple[str, str]:
    """A file's key as what it calls the layer and our suffix; the suffix is what follows the first dot if unknown."""
    for ending, suffix in _endings():
        if key.endswith(ending):
            return key.removesuffix(ending), suffix
    layer, _, suffix = key.partition(".")
    return layer, suffix


def aliases(layer_names: Iterable[LayerName]) -> dict[str, Alias]:
    """Everything a file may call a layer; where two layers share a name, that of the better spelling counts."""
    layer_names = list(layer_names)
    names: dict[str, Alias] = {}
    encoders = {layer_name.part for layer_name in layer_names if not is_network(layer_name)}
    for layer_name in layer_names:
        alone = layer_name.part == "unet" or encoders == {layer_name.part}
        for name, spelling in _names(layer_name, alone).items():
            if name not in names or names[name].spelling == "broken":
                names[name] = Alias(layer_name.key, spelling)
    for layer_name in layer_names:
        for name, spelling in _native_names(layer_name).items():
            if layer_name.rows == ALL:
                names.setdefault(name, Alias(layer_name.key, spelling))
            elif layer_name.rows and name not in names:
                part = "{}[{}:{}/{}]".format(name, *layer_name.rows)
                names[part] = Alias(layer_name.key, spelling, name, layer_name.rows)
    return names


def _native_names(layer_name: LayerName) -> dict[str, Spelling]:
    """What files call the layer of the original network that holds this one."""
    if not layer_name.joint:
        return {}
    dotted, flat = layer_name.joint, layer_name.joint.replace(".", "_")
    broken: dict[str, Spelling] = dict.fromkeys(
        (f"model.diffusion_model.{dotted}", f"base_model.model.{dotted}", f"transformer.{dotted}", dotted), "broken"
    )
    own: dict[str, Spelling] = {
        f"diffusion_model.{dotted}": "native",
        f"lora_unet_{flat}": "native-kohya",
        f"lycoris_{flat}": "lycoris",
    }
    return broken | own


def is_network(layer_name: LayerName) -> bool:
    """Whether a layer is in the file of the network, not in that of a text encoder."""
    return layer_name.part == "unet" or bool(layer_name.model)


def models_of(layer_name: LayerName) -> tuple[str, ...]:
    """What diffusers and PEFT call the model that a layer is in; the first is diffusers'."""
    return (layer_name.model,) if layer_name.model else PARTS[layer_name.part]


def _names(layer_name: LayerName, alone: bool) -> dict[str, Spelling]:
    """`alone`: whether PEFT's names, which do not tell text encoders apart, can mean no other model."""
    key, part, path = layer_name.key, layer_name.part, layer_name.path
    short = path.removeprefix("text_model.")
    # the last ones that are set win: from the worst spelling to the best
    names: dict[str, Spelling] = {}
    models = [f"{spelling}." for spelling in models_of(layer_name)] + ([""] if alone else [])
    for model in models:
        names[f"base_model.model.base_model.model.{model}{path}"] = "broken"
        names[f"base_model.model.{model}{path}"] = "peft"
        names[f"base_model.model.{model}{short}"] = "peft"
    if part == "unet":
        processor = path.replace(".to_", ".processor.to_").removesuffix(".0")
        names |= {f"unet.{processor}": "diffusers-old", processor: "diffusers-old"}
    if is_network(layer_name) and not layer_name.is_joint:
        original = layer_name.original or path
        names[f"diffusion_model.{original}"] = "comfyui"
        names[f"model.diffusion_model.{original}"] = "broken"
        names[f"lora_unet_{original.replace('.', '_')}"] = "original"
    if part == "unet":
        names[f"lora_unet_{path.replace('.', '_')}"] = "kohya-diffusers"
    if not is_network(layer_name):
        for clip in COMFYUI_TEXTS[part]:
            names[f"text_encoders.{clip}.transformer.{path}"] = "comfyui"
            names[f"{clip}.transformer.{path}"] = "comfyui"
        # transformers 5 lacks the level text_model, and files named after its modules lack it too
        names[key.replace("_text_model_", "_", 1)] = "broken"
    for spelling in models_of(layer_name):
        names |= {f"{spelling}.{short}": "diffusers", f"{spelling}.{path}": "diffusers"}
    names |= {key.replace("lora_", "lycoris_", 1): "lycoris", key: "kohya"}
    return names


def spelled(layer_name: LayerName, spelling: str, texts: tuple[str, ...]) -> str:
    """What a program calls a layer, or the matrix that holds it with others; `texts` are ComfyUI's text encoders."""
    part, path = layer_name.part, layer_name.path
    if spelling == "diffusers":
        return f"{models_of(layer_name)[0]}.{path}"
    if spelling == "peft":
        # PEFT takes them letter by letter; in transformers 5, text encoders without a projection lack this level
        return f"base_model.model.{path.removeprefix('text_model.') if part == 'te1' else path}"
    if spelling == "comfyui":
        if is_network(layer_name):
            return f"diffusion_model.{layer_name.original or path}"
        return f"text_encoders.{texts[int(part[2:]) - 1]}.transformer.{path}"
    return f"lora_unet_{layer_name.joint.replace('.', '_')}" if layer_name.is_joint else layer_name.key


def by_layer(keys: Iterable[str], names: Mapping[str, Alias]) -> tuple[dict[str, dict[str, str]], list[str]]:
    """Keys by our layer and suffix, and those that are of no layer, or of one that the file has twice."""
    layers: dict[str, dict[str, str]] = {}
    unknown: list[str] = []
    for key in keys:
        name, suffix = split(key)
        held = layers.setdefault(names[name].key, {}) if name in names else None
        if held is None or suffix in held:
            unknown.append(key)
        else:
            held[suffix] = key
    return layers, unknown
