"""A LoRA under the names of a program: those of diffusers and ComfyUI are read without any alpha."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from curate.adapters.joining import joined
from curate.adapters.key_names import DOWN, UP, spelled
from curate.adapters.layer_name import LayerName

TO_PEFT = {DOWN: "lora_A.weight", UP: "lora_B.weight"}
CARRIES_ALPHA = (UP, "lokr_w1", "lokr_w1_a")
"""Factors that take alpha/rank in."""


def named(
    layers: Mapping[str, Mapping[str, Tensor]],
    layer_names: Mapping[str, LayerName],
    spelling: str,
    texts: tuple[str, ...],
) -> dict[str, Tensor]:
    """Tensors by their names in a file, of tensors by layer and suffix as kohya's files have them.

    Two factors become `lora_A` and `lora_B` at strength 1 under other names than kohya's, and LoKr loses its alpha too,
    since readers of these take alpha for an error, or leave it out. Other algorithms keep their suffixes and their
    alpha. Layers with one name are joined. `texts` are ComfyUI's names of the text encoders. Raises InputError for
    layers that cannot be joined.
    """
    stems: dict[str, list[str]] = {}
    for layer in layers:
        stems.setdefault(spelled(layer_names[layer], spelling, texts), []).append(layer)
    found: dict[str, Tensor] = {}
    for stem, inside in stems.items():
        first = inside[0]
        joint = layer_names[first].is_joint and spelling not in ("diffusers", "peft")
        held = joined([(layer_names[layer], layers[layer]) for layer in inside]) if joint else layers[first]
        if spelling == "kohya":
            found |= {f"{stem}.{suffix}": tensor for suffix, tensor in held.items()}
            continue
        tensors = folded(held)
        found |= {f"{stem}.{TO_PEFT.get(suffix, suffix)}": tensor for suffix, tensor in tensors.items()}
    return found


def is_plain(held: Mapping[str, Tensor]) -> bool:
    """Whether a layer is two factors, with or without DoRA's lengths."""
    return held.keys() - {"alpha", "dora_scale"} == {DOWN, UP}


def folded(held: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """A layer of LoRA or LoKr with alpha/rank in one of its factors, in float32; others as they are."""
    strong = next((suffix for suffix in CARRIES_ALPHA if suffix in held), "")
    if not strong or (strong == UP and not is_plain(held)):
        return held
    rest = {suffix: tensor for suffix, tensor in held.items() if suffix != "alpha"}
    # LoKr of two whole matrices has no rank, and its readers ignore alpha
    rank = next((len(held[suffix]) for suffix in (DOWN, "lokr_w2_b", "lokr_w1_b") if suffix in held), 0)
    strength = float(held["alpha"]) / rank if rank and "alpha" in held else 1.0
    return rest if strength == 1 else {**rest, strong: rest[strong].float() * strength}
