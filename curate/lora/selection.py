"""Chooses how many singular values each layer keeps, by a recipe."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import log10
from typing import Any

import torch
from torch import Tensor

from curate.adapters.base import Shape
from curate.adapters.spectrum import Spectrum
from curate.diffusion.base_weights import BaseWeights
from curate.errors import InputError
from curate.lora.recipes import Recipe


@dataclass(frozen=True)
class Measured:
    """A layer's singular values, largest first, and what they are compared with.

    references  log10 of each reference: a number, or one for each value
    base_norm   Frobenius norm of the base's layer; 0 without a base
    scale       alpha/rank in the source
    """

    layer: str
    shape: Shape
    rank: int
    algorithms: tuple[str, ...]
    values: Tensor
    references: Mapping[str, float | Tensor] = field(default_factory=dict[str, "float | Tensor"])
    base_norm: float = 0.0
    scale: float = 1.0

    @property
    def numbers(self) -> int:
        """Numbers that each rank costs."""
        return self.shape.out + self.shape.into * self.shape.area

    @property
    def norm(self) -> float:
        """Frobenius norm of ΔW."""
        return float(self.values.norm())

    def error(self, kept: Tensor) -> float:
        """Frobenius norm of what is dropped, against that of ΔW; `kept` are indices."""
        return self.dropped(kept) / self.norm if self.norm else 0.0

    def dropped(self, kept: Tensor) -> float:
        """Frobenius norm of what is dropped."""
        left = self.values.clone()
        left[kept] = 0
        return float(left.norm())

    def share(self, kept: Tensor) -> float:
        """Share of the sum of singular values that is kept."""
        total = float(self.values.sum())
        return float(self.values[kept].sum()) / total if total else 1.0


def references(
    spectrum: Spectrum, shape: Shape, wanted: Sequence[str], base: BaseWeights | None, layer: str
) -> tuple[dict[str, float | Tensor], float]:
    """log10 of the references that recipes name, and the Frobenius norm of the base's layer.

    Raises InputError for a layer that the base lacks.
    """
    found: dict[str, float | Tensor] = {"params": log10(shape.out + shape.into * shape.area)}
    if len(spectrum.values):
        found["spn_lora"] = log10(float(spectrum.values[0]))
        found["fro_lora"] = log10(spectrum.norm)
    if base is None:
        return found, 0.0
    if layer not in base:
        raise InputError(f"the base {base.name} has no layer {layer}", "give the base that the LoRA is for")
    weight = base.weight(layer).float().flatten(1)
    if tuple(weight.shape) != (shape.out, shape.into * shape.area):
        own = [shape.out, shape.into * shape.area]
        raise InputError(
            f"{layer} changes a weight of {own}, and the base's is {list(weight.shape)}",
            "give the base that the LoRA is for",
        )
    norm = float(weight.double().norm())
    found["fro_ckpt"] = log10(max(norm, 1e-30))
    if "spn_ckpt" in wanted:
        found["spn_ckpt"] = log10(max(spectral_norm(weight), 1e-30))
    if "subspace" in wanted and len(spectrum.values):
        left, right = spectrum.vectors(len(spectrum.values))
        found["subspace"] = ((left.T @ weight.double()) * right).sum(1).abs().clamp(min=1e-30).log10()
    return found, norm


def spectral_norm(matrix: Tensor) -> float:
    """The largest singular value, by Lanczos' method from a fixed start: exact, and much faster than a full SVD."""
    from scipy.sparse.linalg import svds

    if min(matrix.shape) < 8:
        return float(torch.linalg.svdvals(matrix.double())[0])
    start = torch.randn(min(matrix.shape), generator=torch.Generator().manual_seed(0)).numpy()
    found: Any = svds(matrix.numpy(), k=1, v0=start, return_singular_vectors=False)
    return float(found[0])


Kept = dict[str, Tensor]
"""Indices of the singular values that each layer keeps, the largest first."""


def select(recipe: Recipe, layers: Sequence[Measured], size_of: Callable[[Mapping[str, int]], int]) -> Kept:
    """What each layer keeps; `size_of` gives the bytes of a file with these ranks.

    Raises InputError where nothing would be left.
    """
    if recipe.size is not None:
        kept = _by_size(recipe, layers, size_of)
    else:
        kept = {one.layer: _by_itself(recipe, one)[: _most(recipe, one)] for one in layers}
    if not any(map(len, kept.values())):
        raise InputError(f'recipe "{recipe.text}" keeps nothing', "lower thr, or raise size")
    return kept


def _most(recipe: Recipe, one: Measured) -> int:
    most = recipe.conv_rank if one.shape.spatial and recipe.conv_rank is not None else recipe.rank
    return len(one.values) if most is None else min(most, len(one.values))


def _by_itself(recipe: Recipe, one: Measured) -> Tensor:
    """The values of a layer that the recipe's threshold or share keeps."""
    values = one.values
    if not len(values) or (recipe.threshold is None and recipe.share is None):
        return torch.arange(len(values))
    if recipe.threshold is not None:
        # not always the largest: with subspace a weak direction may score higher than a strong one
        return (scores(recipe, one) >= recipe.threshold).nonzero().flatten()
    assert recipe.share is not None
    name, target = recipe.share
    if name == "ratio":
        return torch.arange(max(1, int((values > values[0] / target).sum())))
    parts = values if name == "sum" else values.square()
    wanted = target if name == "sum" else target**2
    return torch.arange(min(len(values), int(torch.searchsorted(parts.cumsum(0) / parts.sum(), wanted)) + 1))


def scores(recipe: Recipe, one: Measured) -> Tensor:
    """log10 of each value against the recipe's references: a weighted geometric mean of the ratios."""
    found = one.values.log10() + log10(recipe.rescale)
    for name, weight in recipe.weights.items():
        found = found - weight * one.references[name]
    return found


def _by_size(recipe: Recipe, layers: Sequence[Measured], size_of: Callable[[Mapping[str, int]], int]) -> Kept:
    """Values by falling score, as many as the file has room for."""
    limits = [_most(recipe, one) for one in layers]
    flat = torch.cat([scores(recipe, one)[:limit] for one, limit in zip(layers, limits, strict=True)])
    order = flat.argsort(descending=True, stable=True)
    owner = torch.repeat_interleave(torch.arange(len(layers)), torch.tensor(limits))[order]
    index = torch.cat([torch.arange(limit) for limit in limits])[order]
    assert recipe.size is not None

    def size(count: int) -> int:
        counts = torch.bincount(owner[:count], minlength=len(layers)).tolist()
        return size_of({one.layer: number for one, number in zip(layers, counts, strict=True)})

    least, most = 0, len(order)
    while least < most:
        middle = (least + most + 1) // 2
        if size(middle) <= recipe.size:
            least = middle
        else:
            most = middle - 1
    if not least:
        raise InputError(
            f"a file of {recipe.size:,} bytes has no room for one rank", f"the smallest has {size(1):,} bytes"
        )
    owner, index = owner[:least], index[:least]
    return {one.layer: index[owner == number].sort().values for number, one in enumerate(layers)}
