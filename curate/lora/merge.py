"""Merges LoRAs into one: exactly, by putting their ranks beside each other, or to ranks that a recipe chooses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from curate.errors import InputError
from curate.lora import output
from curate.lora.resize import merged_metadata
from curate.lora.source import LoraSource, as_lora
from curate.lora.weights import Weighted
from curate.lora.words import result_metadata


@dataclass(frozen=True)
class Merged:
    """A written file: its layers, its largest rank, its bytes, and what a plain LoRA cannot hold."""

    path: Path
    layers: int
    rank: int
    size: int
    left_out: tuple[str, ...]


@torch.no_grad()
def merge(files: Sequence[Weighted], target: Path, precision: str | None = None, overwrite: bool = False) -> Merged:
    """Writes the sum of LoRAs, each with its strength, exact but for the rounding of `precision`.

    Raises InputError for algorithms whose sum has no exact form, and for a target that is there.
    """
    output.check_target(target, overwrite)
    source = LoraSource(files)
    dtype = output.precision(files[0].file, precision)
    layers: output.Layers = {}
    for layer in source.layers:
        change = source.change(layer)
        if not change.parts:
            continue
        pair = change.factors()
        if pair is None:
            raise InputError(
                f"{layer}: {'+'.join(dict.fromkeys(change.algorithms))} has no factors that can be put side by side",
                "merge to a rank: --rank 32, or to an error: --recipe fro=0.99",
            )
        up, down = balanced(*pair, change.scale)
        layers[layer] = as_lora(source.names, layer, up, down, change.scale * len(down), change.shape, dtype)
        if change.dora is not None:
            layers[layer]["dora_scale"] = change.dora.to(dtype)
    if not layers:
        raise InputError("nothing is left: every strength is 0", "give at least one LoRA another strength")
    note = f"merged from {', '.join(one.text for one in files)}"
    values = {"from": [one.text for one in files]}
    metadata = result_metadata(merged_metadata(files), layers, target.stem, note, "merge", values)
    output.save(target, layers, source.names, metadata, overwrite)
    rank = max(len(held["lora_down.weight"]) for held in layers.values())
    return Merged(target, len(layers), rank, output.size_on_disk(target), tuple(source.left_out))


def balanced(up: torch.Tensor, down: torch.Tensor, scale: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Factors of the same product over `scale`, each rank equally long on both sides: that suits half precision."""
    left, right = up.norm(dim=0), down.norm(dim=1)
    ratio = torch.where((left > 0) & (right > 0), (right / left.clamp(min=1e-30) / scale).sqrt(), torch.ones(()))
    return up * ratio, down / (ratio * scale)[:, None]
