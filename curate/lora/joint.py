"""Writes layers as the original network has them: q, k and v, and others that are rows of one matrix, as one layer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

from torch import Tensor

from curate.adapters import joining
from curate.adapters.key_names import ALL
from curate.core.counting import counted
from curate.diffusion.lora_family import LayerTable
from curate.errors import InputError

Layers = dict[str, dict[str, Tensor]]


def joined(layers: Mapping[str, Mapping[str, Tensor]], table: LayerTable) -> tuple[Layers, LayerTable, list[str]]:
    """The layers and their table under the names of the original network, and what became larger, in words.

    Layers with one `down` share it again. Others stand block by block: the rank is the sum of theirs, and ΔW the same.
    Raises InputError for a family without such layers, and for algorithms whose layers cannot be made one.
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
        key = f"lora_unet_{joint.replace('.', '_')}"
        made = replace(first, key=key, path=joint, original=joint, joint="", rows=None)
        names[made.key] = made
        if first.rows == ALL:
            found[made.key] = dict(layers[members[0]])
            continue
        found[made.key] = joining.joined([(table.layer_names[member], layers[member]) for member in members])
        before = max(joining.rank(layers[member]) for member in members)
        growth[len(members), before, joining.rank(found[made.key])] += 1
    return found, replace(table, layer_names=names), list(_words(growth))


def _words(growth: Counter[tuple[int, int, int]]) -> list[str]:
    lines: list[str] = []
    for (members, before, after), count in growth.items():
        size = f"rank {before} became {after}" if after > before else f"rank {after} stays"
        lines.append(f"{counted(count, 'layer')} of {members} each in one: {size}")
    return lines
