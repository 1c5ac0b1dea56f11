"""Where the weights of a layer are: in a one-file checkpoint, or in the files of a diffusers folder."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

from curate.adapters.layer_name import LayerName, Rows

UNET = "model.diffusion_model."
WRAPPERS = ("", "net.", UNET)
"""What stands before the names in files of a network alone."""
OPEN_CLIP = {
    "self_attn.out_proj": "attn.out_proj",
    "mlp.fc1": "mlp.c_fc",
    "mlp.fc2": "mlp.c_proj",
}
"""OpenCLIP's names for parts of a layer of CLIP's."""
IN_PROJECTION = ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj")
"""What OpenCLIP holds one below the other in one tensor, `attn.in_proj_weight`."""


@dataclass(frozen=True, slots=True)
class Place:
    """The tensors of a layer; `rows` where only these parts of their rows are its own."""

    weight: str
    bias: str
    rows: Rows | None = None


def place_in_checkpoint(layer: LayerName, texts: tuple[tuple[str, str], ...], keys: Collection[str]) -> Place | None:
    """Where a checkpoint with these keys holds a layer; None where it has none.

    `texts` are the family's text encoders in checkpoints: prefix and form, clip or open_clip.
    """
    if layer.model:
        names = ((layer.joint, layer.rows), (layer.original, None)) if layer.joint else ((layer.original, None),)
        found = (_present(f"{wrapper}{name}", keys, rows) for wrapper in WRAPPERS for name, rows in names)
        return next((place for place in found if place), None)
    if layer.part == "unet":
        return _present(f"{UNET}{layer.original or layer.path}", keys)
    prefix, form = texts[int(layer.part[2:]) - 1]
    if form == "clip":
        return place_in_part(layer, keys, prefix)
    match = re.match(r"text_model\.encoder\.layers\.(\d+)\.(.+)", layer.path)
    if match is None:
        return None
    stem = f"{prefix}transformer.resblocks.{match[1]}"
    if match[2] in IN_PROJECTION:
        at = IN_PROJECTION.index(match[2])
        place = Place(f"{stem}.attn.in_proj_weight", f"{stem}.attn.in_proj_bias", (at, at + 1, 3))
        return place if place.weight in keys else None
    return _present(f"{stem}.{OPEN_CLIP[match[2]]}", keys)


def place_in_part(layer: LayerName, keys: Collection[str], prefix: str = "") -> Place | None:
    """Where one model's own tensors hold a layer, with or without CLIP's level `text_model`."""
    short = layer.path.removeprefix("text_model.")
    return _present(prefix + layer.path, keys) or _present(prefix + short, keys)


def _present(stem: str, keys: Collection[str], rows: Rows | None = None) -> Place | None:
    return Place(f"{stem}.weight", f"{stem}.bias", rows) if f"{stem}.weight" in keys else None
