"""The strength of a PEFT or diffusers LoRA: it stands in a configuration beside the tensors, not among them.

Rules as in PEFT 0.21: ΔW = alpha/r · B·A, alpha/√r with `use_rslora`; `alpha_pattern`, `rank_pattern` hold others for
layers whose path ends with the pattern, a regular expression.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from curate.adapters.layer_name import LayerName
from curate.errors import InputError

HEADER = "lora_adapter_metadata"
"""Key of a safetensors header in which diffusers ≥ 0.34 keeps the configurations, each key with its model before it."""
MODELS = {"unet": "unet", "te1": "text_encoder", "te2": "text_encoder_2"}
IN_HEADER = {
    **{model: part for part, model in MODELS.items()},
    "transformer": "unet",
    "text_conditioner": "conditioner",
}
"""The part of each model that a header may name."""
ALPHA = 8
"""PEFT's own alpha and rank, where a configuration leaves them out."""

Configurations = Mapping[str, Mapping[str, Any]]


def configurations(place: Path, metadata: Mapping[str, str]) -> Configurations:
    """The configuration of each part (unet, te1, te2) of a file, from its header or `adapter_config.json` beside it.

    Empty where there is none: then alpha is the rank. Raises InputError where one cannot be read.
    """
    beside = configuration_file(place)
    try:
        if HEADER in metadata:
            flat = _object(metadata[HEADER])
            return {part: values for model, part in IN_HEADER.items() if (values := _below(flat, model))}
        if beside is not None:
            return dict.fromkeys(MODELS, _object(beside.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise InputError(
            f"the LoRA's configuration in {place if HEADER in metadata else beside} cannot be read: {error}",
            "without it the strength of the LoRA is not known: save the LoRA again with the program that made it",
        ) from error
    return {}


def configuration_file(place: Path) -> Path | None:
    """The `adapter_config.json` beside a file that PEFT wrote; None beside any other."""
    beside = place.parent / "adapter_config.json"
    return beside if place.name == "adapter_model.safetensors" and beside.is_file() else None


def add_scales(layers: dict[str, dict[str, Tensor]], parts: Configurations, layer_names: Iterable[LayerName]) -> None:
    """Gives each layer that has no alpha the strength that its part's configuration says.

    A LoRA gets an alpha; of LoHa and LoKr, whose readers count rank in other ways, one factor takes the scale in.
    """
    for layer_name in layer_names:
        tensors = layers.get(layer_name.key)
        if tensors is None or "alpha" in tensors or layer_name.part not in parts:
            continue
        config = parts[layer_name.part]
        if "lora_down.weight" in tensors:
            rank = tensors["lora_down.weight"].shape[0]
            tensors["alpha"] = torch.tensor(scale(config, layer_name.path, rank) * rank)
        elif first := next((n for n in ("hada_w1_a", "lokr_w1", "lokr_w1_a") if n in tensors), ""):
            rank = int(_value(config, "rank_pattern", layer_name.path, config.get("r", ALPHA)))
            tensors[first] = tensors[first] * scale(config, layer_name.path, rank)


def scale(config: Mapping[str, Any], path: str, rank: int) -> float:
    """What PEFT multiplies B·A of a layer with."""
    usual = config.get("lora_alpha", config.get("alpha", ALPHA))
    alpha = float(_value(config, "alpha_pattern", path, usual))
    return alpha / (rank**0.5 if config.get("use_rslora") else rank)


def _value(config: Mapping[str, Any], pattern: str, path: str, usual: Any) -> Any:
    patterns = config.get(pattern) or {}
    return next((value for key, value in patterns.items() if re.match(rf"(.*\.)?({key})$", path)), usual)


def _object(text: str) -> Mapping[str, Any]:
    value = json.loads(text)
    if not isinstance(value, dict):
        raise ValueError("it is not a JSON object")  # noqa: TRY004 – as json itself raises
    return value


def _below(flat: Mapping[str, Any], model: str) -> dict[str, Any]:
    """What a header says of one model."""
    return {key.removeprefix(f"{model}."): value for key, value in flat.items() if key.startswith(f"{model}.")}


def describe(layers: Mapping[LayerName, tuple[int, float]]) -> dict[str, Any]:
    """PEFT's configuration of one model's LoRA from rank and alpha of each layer; the most common are the defaults.

    Layers are named without CLIP's level `text_model`, which transformers 5 lacks: PEFT compares the ends of names.
    """
    ranks = Counter(rank for rank, _ in layers.values())
    alphas = Counter(alpha for _, alpha in layers.values())
    rank, alpha = ranks.most_common(1)[0][0], alphas.most_common(1)[0][0]
    return {
        "peft_type": "LORA",
        "r": rank,
        "lora_alpha": alpha,
        "target_modules": sorted(_short(layer) for layer in layers),
        "rank_pattern": {_short(layer): r for layer, (r, _) in layers.items() if r != rank},
        "alpha_pattern": {_short(layer): a for layer, (_, a) in layers.items() if a != alpha},
        "use_rslora": False,
        "use_dora": False,
        "bias": "none",
        "lora_dropout": 0.0,
        "init_lora_weights": True,
    }


def _short(layer: LayerName) -> str:
    return layer.path.removeprefix("text_model.")


def header(configs: Configurations) -> str:
    """The configurations of a file's parts as diffusers keeps them in a header."""
    flat = {f"{MODELS[part]}.{key}": value for part, config in configs.items() for key, value in config.items()}
    return json.dumps(flat, sort_keys=True)
