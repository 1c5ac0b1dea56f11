"""Makes LoRAs smaller: each layer keeps the singular values that a recipe chooses. Others become a plain LoRA."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from curate.adapters import tensor_file
from curate.adapters.key_names import DOWN, UP
from curate.diffusion.base_weights import BaseWeights
from curate.errors import InputError
from curate.lora import output, selection
from curate.lora.recipes import OF_BASE, Recipe
from curate.lora.selection import Kept, Measured
from curate.lora.source import LoraSource, as_lora, nothing_left, shared_alpha
from curate.lora.weights import Weighted
from curate.lora.words import result_metadata

SPARE = 2048
"""Bytes that the metadata of a result may have beyond the source's."""
CONFIGURED = 400
"""Bytes that a layer may take in PEFT's configuration."""


@dataclass(frozen=True)
class Row:
    """What a layer kept: ranks, share of the sum of singular values, errors against ΔW and against the base's layer."""

    layer: str
    algorithm: str
    rank: int
    kept: int
    share: float
    error: float
    base_error: float | None


@dataclass(frozen=True)
class Resized:
    """A written file.

    error      Frobenius norm of all that was dropped, against that of all changes
    threshold  lowest score that was kept, where values were compared
    left_out   what a plain LoRA cannot hold
    """

    path: Path
    recipe: Recipe
    rows: tuple[Row, ...]
    error: float
    size: int
    threshold: float | None
    left_out: tuple[str, ...]


def resize(
    files: Sequence[Weighted],
    recipes: Sequence[Recipe],
    targets: Sequence[Path],
    base: BaseWeights | None = None,
    precision: str | None = None,
    overwrite: bool = False,
) -> Iterator[Resized]:
    """Writes one file for each recipe, of one LoRA or of several added up. Singular values are computed once.

    Raises InputError where a recipe compares with a base and there is none, and for a target that is there.
    """
    source = LoraSource(files, base)
    for target in targets:
        output.check_target(target, overwrite, source.names.folder_for)
    if base is None and (needy := next((one for one in recipes if one.needs_base), None)):
        raise InputError(f'recipe "{needy.text}" compares with the base model', "give it with --base")
    measured = list(measure(source, recipes, base))
    if not measured:
        raise nothing_left(source)
    dtype = output.precision(files[0].file, precision)
    for recipe, target in zip(recipes, targets, strict=True):
        yield _write(source, measured, recipe, target, dtype, overwrite)


@torch.no_grad()
def measure(source: LoraSource, recipes: Sequence[Recipe], base: BaseWeights | None) -> Iterator[Measured]:
    """The singular values of every layer that changes something; the vectors are not kept."""
    wanted = sorted({name for recipe in recipes for name in recipe.weights})
    for layer in source.layers:
        change = source.change(layer)
        if not change.parts:
            continue
        spectrum = change.spectrum()
        if not bool(spectrum.values.isfinite().all()):
            raise InputError(f"{layer} holds values that are not finite", "`curate lora check` says where")
        if not len(spectrum.values) or change.cancels(spectrum.norm):
            continue
        compared = base if any(name in OF_BASE for name in wanted) else None
        found, norm = selection.references(spectrum, change.shape, wanted, compared, layer)
        yield Measured(layer, change.shape, change.rank, change.algorithms, spectrum.values, found, norm, change.scale)


def _write(
    source: LoraSource,
    measured: Sequence[Measured],
    recipe: Recipe,
    target: Path,
    dtype: torch.dtype,
    overwrite: bool,
) -> Resized:
    metadata = merged_metadata(source.files)
    kept = selection.select(recipe, measured, lambda ranks: _size(source.names, measured, ranks, dtype, metadata))
    layers = _layers(source, kept, {one.layer: one.scale for one in measured}, recipe, dtype)
    note = f"resized by {recipe.text}" if len(source.files) == 1 else f"merged and resized by {recipe.text}"
    values = {"recipe": recipe.text, "from": [one.text for one in source.files]}
    meant = result_metadata(metadata, layers, target.stem, note, "resize", values)
    output.save(target, layers, source.names, meant, overwrite)
    rows = tuple(_row(one, kept[one.layer]) for one in measured)
    whole = sum(one.norm**2 for one in measured) ** 0.5
    dropped = sum(one.dropped(kept[one.layer]) ** 2 for one in measured) ** 0.5
    return Resized(
        target,
        recipe,
        rows,
        dropped / whole if whole else 0.0,
        output.size_on_disk(target),
        _threshold(recipe, measured, kept),
        tuple(source.left_out),
    )


def _size(
    names: output.Names,
    measured: Sequence[Measured],
    ranks: Mapping[str, int],
    dtype: torch.dtype,
    metadata: Mapping[str, str],
) -> int:
    """Bytes of the file with these ranks; a little more than it will have."""
    sizes: dict[str, tuple[torch.dtype, tuple[int, ...]]] = {}
    for one in measured:
        if rank := ranks[one.layer]:
            ones = (1,) * len(one.shape.kernel)
            sizes[names.key(one.layer, DOWN)] = dtype, (rank, one.shape.into, *one.shape.kernel)
            sizes[names.key(one.layer, UP)] = dtype, (one.shape.out, rank, *ones)
            if not names.in_configuration:
                sizes[names.key(one.layer, "alpha")] = dtype, ()
    configured = CONFIGURED * len(measured) if names.in_configuration else 0
    return tensor_file.file_size(sizes, metadata) + SPARE + configured


@torch.no_grad()
def _layers(
    source: LoraSource, kept: Kept, scales: Mapping[str, float], recipe: Recipe, dtype: torch.dtype
) -> output.Layers:
    layers: output.Layers = {}
    # a result of one rank keeps the scale alpha/rank of its source
    alpha = shared_alpha((scales[layer] * len(at) for layer, at in kept.items()), dtype)
    for layer, at in kept.items():
        if not len(at):
            continue
        change = source.change(layer)
        up, down = change.spectrum().factors(at, alpha / len(at) / recipe.rescale)
        layers[layer] = as_lora(source.names, layer, up, down, alpha, change.shape, dtype)
        if change.dora is not None:
            layers[layer]["dora_scale"] = change.dora.to(dtype)
    return layers


def _row(one: Measured, kept: torch.Tensor) -> Row:
    base_error = one.dropped(kept) / one.base_norm if one.base_norm else None
    algorithm = "+".join(dict.fromkeys(one.algorithms))
    return Row(one.layer, algorithm, one.rank, len(kept), one.share(kept), one.error(kept), base_error)


def _threshold(recipe: Recipe, measured: Sequence[Measured], kept: Kept) -> float | None:
    if not recipe.weights:
        return None
    return min(float(selection.scores(recipe, one)[kept[one.layer]].min()) for one in measured if len(kept[one.layer]))


def merged_metadata(files: Sequence[Weighted]) -> dict[str, str]:
    """The metadata of one file; of several what they agree on, and what they were merged from."""
    first, *others = files
    if not others:
        return dict(first.file.metadata)
    common = {k: v for k, v in first.file.metadata.items() if all(o.file.metadata.get(k) == v for o in others)}
    common = {key: value for key, value in common.items() if not key.startswith("sshs_")}
    if any(key.startswith("modelspec.") for key in common):
        common["modelspec.merged_from"] = ", ".join(one.text for one in files)
    return common
