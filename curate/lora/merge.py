"""Merges LoRAs into one, exactly: one alone is scaled, several lie with their ranks beside each other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from curate.adapters.algorithm import algorithm
from curate.core.findings import raise_together
from curate.errors import InputError
from curate.lora import output
from curate.lora.changes import NEEDS_BASE
from curate.lora.resize import merged_metadata
from curate.lora.scale import BIAS, scaled_layer
from curate.lora.source import LoraSource, as_lora, check_families, left_out, nothing_left, shared_alpha
from curate.lora.weights import Weighted, strength_of
from curate.lora.words import result_metadata


@dataclass(frozen=True)
class Merged:
    """A written file: its layers, its largest rank, its bytes, and what was left out. Rank 0: no layer is a LoRA."""

    path: Path
    layers: int
    rank: int
    size: int
    left_out: tuple[str, ...]


@torch.no_grad()
def merge(files: Sequence[Weighted], target: Path, precision: str | None = None, overwrite: bool = False) -> Merged:
    """Writes the sum of LoRAs, each with its strength, exact but for the rounding of `precision`.

    A layer that one file alone changes keeps its algorithm where no plain LoRA equals it; a single file keeps all.
    Raises InputError for algorithms whose sum has no exact form, and for a target that is there.
    """
    folder_for = output.Names.of(files[0].file).folder_for
    raise_together([lambda: check_families(files), lambda: output.check_target(target, overwrite, folder_for)])
    source = LoraSource(files)
    dtype = output.PRECISIONS[precision] if precision else None
    alone = len(source.files) == 1
    layers = _scaled(source, dtype) if alone else _sum(source, dtype)
    if not layers:
        raise nothing_left(source)
    note = f"merged from {', '.join(one.text for one in files)}"
    values = {"from": [one.text for one in files]}
    metadata = result_metadata(merged_metadata(files), layers, target.stem, note, "merge", values)
    output.save(target, layers, source.names, metadata, overwrite)
    rank = max((len(held["lora_down.weight"]) for held in layers.values() if "lora_down.weight" in held), default=0)
    lost = left_out(files[0].file, plain=False) if alone else source.left_out
    return Merged(target, len(layers), rank, output.size_on_disk(target), tuple(lost))


def _scaled(source: LoraSource, dtype: torch.dtype | None) -> output.Layers:
    """The layers of a single file; norms and biases too."""
    one, layers = source.files[0], output.Layers()
    for layer in one.file.layers:
        kind = one.file.algorithm(layer)
        if not kind or not strength_of(one, layer):
            continue
        if kind == "lora":
            layers[layer] = _side_by_side(source, layer, dtype)
            biases = scaled_layer(one, layer, dtype) if BIAS in one.file.layers[layer] else {}
            layers[layer] |= {suffix: tensor for suffix, tensor in biases.items() if suffix == BIAS}
        else:
            layers[layer] = scaled_layer(one, layer, dtype)
    return layers


def _sum(source: LoraSource, dtype: torch.dtype | None) -> output.Layers:
    """The layers of several files, of one alpha though their ranks may differ."""
    layers: output.Layers = {}
    written = dtype or output.precision(source.files[0].file, None)
    alpha = shared_alpha(_alphas(source), written)
    for layer in source.layers:
        holders = source.holders(layer)
        if _kept(holders, layer):
            layers[layer] = scaled_layer(holders[0], layer, dtype)
        elif holders and (held := _side_by_side(source, layer, dtype, alpha)):
            layers[layer] = held
    return layers


def _alphas(source: LoraSource) -> Iterator[float]:
    """What each sum's alpha would be if it kept its scale."""
    for layer in source.layers:
        holders = source.holders(layer)
        if holders and not _kept(holders, layer) and (pair := (change := source.change(layer)).factors()) is not None:
            yield change.scale * len(pair[1])


def _kept(holders: Sequence[Weighted], layer: str) -> bool:
    """Whether one file alone changes the layer, in a way that no plain LoRA equals without the base."""
    return len(holders) == 1 and holders[0].file.algorithm(layer) in NEEDS_BASE


def _side_by_side(
    source: LoraSource, layer: str, dtype: torch.dtype | None, alpha: float | None = None
) -> dict[str, Tensor]:
    """A layer as a plain LoRA, or scaled where one file alone changes it; nothing where the changes cancel out.

    Without an alpha it keeps the scale alpha/rank of its source. Raises InputError.
    """
    change = source.change(layer)
    pair = change.factors()
    if pair is None and len(change.parts) == 1:
        return scaled_layer(source.holders(layer)[0], layer, dtype)
    if pair is None:
        titles = ", ".join(dict.fromkeys(algorithm(name).title for name in change.algorithms))
        raise InputError(
            f"{layer}: changes by {titles} cannot be added exactly",
            "add --rank N, such as --rank 32, or an error: --recipe fro=0.99",
        )
    if change.cancels(_product_norm(*pair)):
        return {}
    alpha = alpha or change.scale * len(pair[1])
    up, down = balanced(*pair, alpha / len(pair[1]))
    written = dtype or output.precision(source.files[0].file, None)
    held = as_lora(source.names, layer, up, down, alpha, change.shape, written)
    return held if change.dora is None else {**held, "dora_scale": change.dora.to(written)}


def _product_norm(up: Tensor, down: Tensor) -> float:
    """Frobenius norm of up·down, by the products of each factor with itself; float64, since these may cancel out."""
    left, right = up.double(), down.double()
    return float(((left.T @ left) * (right @ right.T)).sum().clamp(min=0).sqrt())


def balanced(up: torch.Tensor, down: torch.Tensor, scale: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Factors of the same product over `scale`, each rank equally long on both sides: that suits half precision."""
    left, right = up.norm(dim=0), down.norm(dim=1)
    ratio = torch.where((left > 0) & (right > 0), (right / left.clamp(min=1e-30) / scale).sqrt(), torch.ones(()))
    return up * ratio, down / (ratio * scale)[:, None]
