"""Writes layers as the original network has them: q, k and v, and others that are rows of one matrix, as one layer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor

from curate.adapters.file_names import is_plain
from curate.adapters.key_names import ALL, DOWN, UP
from curate.adapters.layer_name import LayerName
from curate.core.counting import counted
from curate.diffusion.lora_family import LayerTable
from curate.errors import InputError

Layers = dict[str, dict[str, Tensor]]


def joined(layers: Mapping[str, Mapping[str, Tensor]], table: LayerTable) -> tuple[Layers, LayerTable, list[str]]:
    """The layers and their table under the names of the original network, and what became larger, in words.

    Layers with one `down` share it again. Others stand block by block: the rank is the sum of theirs, and ΔW the same.
    Raises InputError for a family without such layers, and for what is no plain LoRA.
    """
    if not any(name.joint and name.rows != ALL for name in table.layer_names.values()):
        raise InputError(
            f"the original network of {table.family.title} has no layers that hold several of these",
            "leave --fused out",
        )
    groups: dict[str, list[str]] = {}
    for layer in layers:
        name = table.layer_names[layer]
        groups.setdefault(name.joint or layer, []).append(layer)
    found: Layers = {}
    names = dict(table.layer_names)
    growth: Counter[tuple[int, int, int]] = Counter()
    for joint, members in groups.items():
        first = table.layer_names[members[0]]
        if not first.joint:
            found[members[0]] = dict(layers[members[0]])
            continue
        made = replace(first, key=f"lora_unet_{joint.replace('.', '_')}", path=joint, original=joint)
        names[made.key] = made
        if first.rows == ALL:
            found[made.key] = dict(layers[members[0]])
            continue
        found[made.key] = _one(joint, {table.layer_names[member]: layers[member] for member in members})
        growth[len(members), max(len(layers[m][DOWN]) for m in members), len(found[made.key][DOWN])] += 1
    return found, replace(table, layer_names=names), list(_words(growth))


def _words(growth: Counter[tuple[int, int, int]]) -> list[str]:
    lines: list[str] = []
    for (members, before, after), count in growth.items():
        size = f"rank {before} became {after}" if after > before else f"rank {after} stays"
        lines.append(f"{counted(count, 'layer')} of {members} each in one: {size}")
    return lines


def _one(joint: str, parts: Mapping[LayerName, Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """One layer with the rows of all parts, in their places; rows of parts that are not there are zero."""
    for name, held in parts.items():
        if not is_plain(held) or "dora_scale" in held:
            raise InputError(
                f"{name.key} holds {', '.join(sorted(held.keys() - {'alpha'}))}: only plain LoRAs become one layer",
                "make it one first: `curate lora resize`",
            )
    rows = {name: name.rows or ALL for name in parts}
    units = {len(held[UP]) // (rows[name][1] - rows[name][0]) for name, held in parts.items()}
    if len(units) > 1:
        raise InputError(f"the layers of {joint} do not have the sizes of its parts", "train or download it again")
    unit = units.pop()
    held = list(parts.values())
    downs, alphas = [one[DOWN] for one in held], [_alpha(one) for one in held]
    shared = all(torch.equal(one, downs[0]) for one in downs[1:]) and len(set(alphas)) == 1
    strengths = [alpha / len(down) for alpha, down in zip(alphas, downs, strict=True)]
    even = len(set(strengths)) == 1
    rank = len(downs[0]) if shared else sum(map(len, downs))
    of = rows[next(iter(parts))][2]
    up, at = downs[0].new_zeros(unit * of, rank), 0
    for (name, one), strength in zip(parts.items(), strengths, strict=True):
        first, end, _ = rows[name]
        width = len(one[DOWN])
        value = one[UP] if even else one[UP].float() * strength
        up[first * unit : end * unit, at : at + width] = value.to(up.dtype)
        at += 0 if shared else width
    alpha = strengths[0] * rank if even else float(rank)
    down = downs[0] if shared else torch.cat(downs)
    return {"alpha": torch.tensor(alpha, dtype=down.dtype), DOWN: down, UP: up}


def _alpha(held: Mapping[str, Tensor]) -> float:
    return float(held["alpha"]) if "alpha" in held else float(len(held[DOWN]))
