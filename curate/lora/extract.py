"""Makes a LoRA of the difference between a fine-tuned model and its base."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from curate.adapters.base import Shape
from curate.adapters.spectrum import MatrixSpectrum
from curate.core.counting import counted
from curate.diffusion.base_weights import BaseWeights
from curate.diffusion.lora_family import layer_table
from curate.errors import InputError
from curate.lora import output
from curate.lora.file import is_lora
from curate.lora.output import Names
from curate.lora.resize import Row
from curate.lora.source import as_lora
from curate.lora.words import network_metadata

NORMS = ("norm", "resnet-norm")
ALPHA = 16
"""Where no rank is given."""


@dataclass(frozen=True)
class Limits:
    """How much of each layer's difference is kept.

    rank, conv_rank   at most so many ranks; conv_rank of kernels larger than 1×1, 0 leaves those out
    error             as many ranks as bring the error below this share of the difference
    least             a difference below this share of the weight counts as none: rounding of the files
    """

    rank: int | None = None
    conv_rank: int | None = None
    error: float | None = None
    least: float = 1e-5

    @property
    def alpha(self) -> float:
        """Of every layer, whatever its rank; see `shared_alpha`."""
        return float(max(filter(None, (self.rank, self.conv_rank)), default=ALPHA))

    def most(self, spatial: bool) -> int | None:
        """The largest rank of a layer."""
        return self.conv_rank if spatial and self.conv_rank is not None else self.rank


@dataclass(frozen=True)
class Extracted:
    """A written file; `error` is that of the whole difference of the layers, `lost` what a LoRA cannot hold."""

    path: Path
    rows: tuple[Row, ...]
    error: float
    size: int
    lost: tuple[str, ...]


def open_model(name: str, offline: bool) -> BaseWeights:
    """A model to compare. Raises InputError for a LoRA and for what is no model, and MissingError."""
    if is_lora(name):
        raise InputError(
            f"{name} is a LoRA, and extract compares two models",
            "give the fine-tuned model and the base it was made from; `curate lora merge` puts a LoRA into a model",
        )
    return BaseWeights.open(name, offline)


@torch.no_grad()
def extract(
    tuned: BaseWeights,
    base: BaseWeights,
    target: Path,
    limits: Limits,
    precision: str = "fp16",
    overwrite: bool = False,
) -> Extracted:
    """Writes the difference as a LoRA. Raises InputError for models of two families or shapes, and for equal ones."""
    output.check_target(target, overwrite)
    if limits.rank is None and limits.error is None:
        raise InputError("how much of the difference to keep is not said", "give --rank 32 or --error 0.05")
    if tuned.family.name != base.family.name:
        raise InputError(
            f"{tuned.name} is {tuned.family.title}, and {base.name} is {base.family.title}",
            "give the base that was fine-tuned",
        )
    names = Names("kohya", layer_table(base.family.name))
    layers: output.Layers = {}
    rows: list[Row] = []
    whole = dropped = 0.0
    for layer, difference, norm in _differences(tuned, base, limits):
        made, row, left = _layer(names, layer, difference, norm, limits, output.PRECISIONS[precision])
        whole, dropped = whole + float(difference.double().square().sum()), dropped + left**2
        rows.append(row)
        if made:
            layers[layer] = made
    if not layers:
        raise InputError(f"{tuned.name} and {base.name} do not differ in any layer", "give two different models")
    output.save(target, layers, names, _metadata(tuned, base, layers, target.stem), overwrite)
    error = (dropped / whole) ** 0.5 if whole else 0.0
    return Extracted(target, tuple(rows), error, output.size_on_disk(target), tuple(_lost(tuned, base, limits)))


def _metadata(tuned: BaseWeights, base: BaseWeights, layers: output.Layers, name: str) -> dict[str, str]:
    version, architecture = base.family.labels("epsilon")
    return {
        **network_metadata(layers),
        "ss_output_name": name,
        "ss_base_model_version": version,
        "ss_v2": str(base.family.v2),
        "ss_sd_model_name": base.root.name,
        "ss_training_comment": f"extracted from {tuned.root.name}",
        "modelspec.sai_model_spec": "1.0.1",
        "modelspec.architecture": f"{architecture}/lora",
        "modelspec.implementation": base.family.implementation,
        "modelspec.title": name,
    }


def _differences(tuned: BaseWeights, base: BaseWeights, limits: Limits) -> Iterator[tuple[str, Tensor, float]]:
    """Layers that differ, with the difference in float32 and the norm of the base's weight."""
    for layer, name in base.layer_names.items():
        if layer not in base or layer not in tuned or name.kind in NORMS:
            continue
        shape = base.shape(layer)
        if tuned.shape(layer) != shape:
            raise InputError(
                f"{layer} is {list(shape)} in {base.name} and {list(tuned.shape(layer))} in {tuned.name}",
                "give the base that was fine-tuned",
            )
        if limits.most(_spatial(shape)) == 0:
            continue
        original = base.weight(layer).float()
        difference = tuned.weight(layer).float() - original
        if not bool(difference.isfinite().all()):
            raise InputError(f"{layer} holds values that are not finite in one of the models", "download it again")
        norm = float(original.norm())
        if float(difference.norm()) > limits.least * norm:
            yield layer, difference, norm


def _spatial(shape: tuple[int, ...]) -> bool:
    return any(k != 1 for k in shape[2:])


def _layer(
    names: Names, layer: str, difference: Tensor, norm: float, limits: Limits, dtype: torch.dtype
) -> tuple[dict[str, Tensor], Row, float]:
    """A layer's tensors, its row of the table, and the norm of what was dropped."""
    spectrum = MatrixSpectrum(difference.flatten(1))
    values = spectrum.values
    total = float(difference.double().norm())
    # what is left after each rank; of the difference itself, so that rounding is not counted as kept
    left = (total**2 - values.square().cumsum(0)).clamp(min=0).sqrt()
    rank = len(values)
    if limits.error is not None:
        enough = (left <= limits.error * total).nonzero().flatten()
        rank = int(enough[0]) + 1 if len(enough) else len(values)
    most = limits.most(_spatial(tuple(difference.shape)))
    rank = rank if most is None else min(rank, most)
    kernel = tuple(difference.shape[2:])
    shape = Shape(difference.shape[0], difference.shape[1], kernel)
    up, down = spectrum.factors(rank, limits.alpha / rank)
    dropped = float(left[rank - 1]) if rank else total
    share = float(values[:rank].sum() / values.sum())
    row = Row(layer, "difference", 0, rank, share, dropped / total, dropped / norm if norm else None)
    return as_lora(names, layer, up, down, limits.alpha, shape, dtype), row, dropped


def _lost(tuned: BaseWeights, base: BaseWeights, limits: Limits) -> Iterator[str]:
    """What differs and is no part of the LoRA: biases, norms, embeddings, and kernels that were left out."""
    held = {(file, place.weight) for layer, (file, place) in base.places.items() if _extracted(base, layer, limits)}
    count = 0
    for file, tensors in base.files.items():
        other = tuned.files.get(file)
        for name, entry in tensors.entries.items():
            if (file, name) in held or other is None or name not in other.entries:
                continue
            if entry.dtype not in ("F16", "BF16", "F32", "F64") or other.entries[name].shape != entry.shape:
                continue
            original = tensors.read(name).float()
            if float((other.read(name).float() - original).norm()) > limits.least * float(original.norm()):
                count += 1
    if count:
        yield f"{counted(count, 'other tensor')} that differ (biases, norms, embeddings, the autoencoder …)"


def _extracted(base: BaseWeights, layer: str, limits: Limits) -> bool:
    spatial = _spatial(base.shape(layer))
    return base.layer_names[layer].kind not in NORMS and limits.most(spatial) != 0
