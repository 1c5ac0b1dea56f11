"""Multiplies the effect of a LoRA by a strength: exact, and the algorithm stays."""

from __future__ import annotations

import torch
from torch import Tensor

from curate.adapters.algorithm import algorithm
from curate.errors import InputError
from curate.lora.convert import canonical
from curate.lora.weights import Weighted, strength_of

BIAS = "diff_b"
"""The change of a bias, which layers of every algorithm may have."""


def scaled_layer(one: Weighted, layer: str, dtype: torch.dtype | None = None) -> dict[str, Tensor]:
    """A layer's tensors with its strength in them; factors in another type if asked for, alpha in its own.

    Raises InputError for an algorithm whose effect is not proportional to its tensors, unless the strength is 1.
    """
    strength, tensors = strength_of(one, layer), canonical(one.file, layer)
    if strength != 1:
        check_proportional(one, layer)
        for suffix in (*algorithm(one.file.algorithm(layer)).strength_in, BIAS):
            if suffix in tensors:
                own = tensors[suffix].dtype
                tensors[suffix] = (tensors[suffix].float() * strength).to(own if dtype is None else dtype)
    if dtype is None:
        return tensors
    return {s: t.to(dtype) if t.is_floating_point() and s != "alpha" else t for s, t in tensors.items()}


def check_proportional(one: Weighted, layer: str) -> None:
    """Raises InputError for a layer whose tensors cannot hold another strength than 1."""
    known = algorithm(one.file.algorithm(layer))
    dora = "dora_scale" in one.file.layers[layer]
    if strength_of(one, layer) != 1 and (dora or not known.strength_in):
        raise InputError(
            f"{one.file.path.name}: {layer} is {'a DoRA' if dora else known.title}, "
            "and its tensors cannot hold a strength other than 1",
            "give the strength in the program that uses it, or merge it into a base: --base MODEL",
        )
