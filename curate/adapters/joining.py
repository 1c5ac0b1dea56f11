"""Makes one layer of those that a program's files hold as one: query, key and value in one matrix."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from curate.adapters.key_names import DOWN, UP
from curate.adapters.layer_name import LayerName, Rows
from curate.errors import InputError

Tensors = Mapping[str, Tensor]
PAIRS = (
    ((DOWN, UP),),
    (("hada_w1_b", "hada_w1_a"), ("hada_w2_b", "hada_w2_a")),
)
"""The factors of algorithms that can be joined: those of the inputs, and those of the outputs."""


def joined(parts: Sequence[tuple[LayerName, Tensors]]) -> dict[str, Tensor]:
    """The tensors of one layer that does what these do, each on its rows; rows of no layer stay as they are.

    The inputs' factors stand below each other, unless they are one and the same, and the outputs' on a diagonal: the
    rank is the sum of the parts', and the strength theirs. Raises InputError for an algorithm that cannot be joined.
    """
    held = {suffix for _, tensors in parts for suffix in tensors} - {"alpha"}
    pairs = next((pairs for pairs in PAIRS if held == {suffix for pair in pairs for suffix in pair}), None)
    if pairs is None:
        names = " and ".join(name.path for name, _ in parts)
        raise InputError(
            f"{names} are one matrix under these names, and {', '.join(sorted(held))} cannot be made one",
            "choose the names of diffusers; or make it a plain LoRA first: `curate lora resize`",
        )
    rows = [_rows(name) for name, _ in parts]
    strengths = [_strength(tensors, pairs[0][0]) for _, tensors in parts]
    units = {
        len(tensors[pairs[0][1]]) // (end - first) for (first, end, _), (_, tensors) in zip(rows, parts, strict=True)
    }
    if len(units) > 1:
        joint = parts[0][0].joint
        raise InputError(f"the layers of {joint} do not have the sizes of its parts", "train or download it again")
    found: dict[str, Tensor] = {}
    shared = all(torch.equal(parts[0][1][inner], tensors[inner]) for inner, _ in pairs for _, tensors in parts[1:])
    for n, (inner, outer) in enumerate(pairs):
        downs, ups = [tensors[inner] for _, tensors in parts], [tensors[outer] for _, tensors in parts]
        if n == 0 and len(set(strengths)) > 1:
            ups = [up.float() * strength for up, strength in zip(ups, strengths, strict=True)]
        found[inner] = downs[0] if shared else torch.cat(downs)
        found[outer] = _diagonal(ups, rows, shared)
    strength = strengths[0] if len(set(strengths)) == 1 else 1.0
    return {**found, "alpha": torch.tensor(strength * rank(found), dtype=next(iter(parts[0][1].values())).dtype)}


def rank(tensors: Tensors) -> int:
    """The rank of a layer of such an algorithm."""
    return next(len(tensors[inner]) for ((inner, _), *_) in PAIRS if inner in tensors)


def _rows(name: LayerName) -> Rows:
    assert name.rows is not None
    return name.rows


def _strength(tensors: Tensors, inner: str) -> float:
    rank = len(tensors[inner])
    return float(tensors["alpha"]) / rank if "alpha" in tensors else 1.0


def _diagonal(ups: Sequence[Tensor], rows: Sequence[Rows], shared: bool) -> Tensor:
    """Outputs' factors, each in its rows, and in columns of its own unless they share the inputs' factor."""
    first, end, of = rows[0]
    each = len(ups[0]) // (end - first)
    columns = ups[0].shape[1] if shared else sum(up.shape[1] for up in ups)
    whole = ups[0].new_zeros(each * of, columns)
    at = 0
    for up, (first, end, _) in zip(ups, rows, strict=True):
        whole[first * each : end * each, at : at + up.shape[1]] = up
        at += 0 if shared else up.shape[1]
    return whole
