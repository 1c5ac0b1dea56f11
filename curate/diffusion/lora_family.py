"""Which family a LoRA file is for: by its layers' names, then by their sizes, then by its metadata."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property

from curate.adapters.joint_layers import sources
from curate.adapters.key_names import DOWN, UP, Alias, aliases, by_layer, split
from curate.diffusion import foreign
from curate.diffusion.base import Backbone
from curate.diffusion.family import Family, families
from curate.diffusion.frame import frame_of_family
from curate.diffusion.layer_names import LayerName

WIDTHS = ("attn2_to_k", "attn2_to_v")
"""Layers whose inputs are as wide as the family's text states."""


@dataclass(frozen=True)
class LayerTable:
    """The layers of a family's full-size model.

    alike   other families that a file with these layers may be for, and that nothing in it tells apart
    """

    frame: Backbone
    layer_names: Mapping[str, LayerName]
    names: Mapping[str, Alias]
    alike: tuple[Family, ...] = ()

    @property
    def family(self) -> Family:
        """The family."""
        return self.frame.family

    @cached_property
    def joint(self) -> frozenset[str]:
        """What files call layers that they hold as one."""
        return frozenset(alias.joint for alias in self.names.values() if alias.joint)

    @property
    def title(self) -> str:
        """What people call the family, or those that it may be."""
        return " or ".join(one.title for one in (self.family, *self.alike))

    def may_be(self, family: str) -> bool:
        """Whether a file with these layers fits a family, by name."""
        return family in {one.name for one in (self.family, *self.alike)}


@cache
def layer_table(family: str) -> LayerTable:
    """The layers of a family, and everything that files call them."""
    outlined = frame_of_family(family)
    layer_names = outlined.layer_names()
    return LayerTable(outlined, {layer.key: layer for layer in layer_names}, aliases(layer_names))


def identify(shapes: Mapping[str, tuple[int, ...]], metadata: Mapping[str, str]) -> tuple[LayerTable | None, str]:
    """The table of a file's family, and what it is called; without a table for a family that cannot be trained.

    `shapes` are those of the file's tensors by key.
    """
    other, candidates = foreign.of_lora(shapes), _most(shapes)
    if not candidates:
        return None, other
    fits = [_width_fits(t, shapes) for t in candidates]
    widths = [t for t, fit in zip(candidates, fits, strict=True) if fit]
    declared = [t for t in widths or candidates if t.family.name == declared_family(metadata)]
    if other and not declared and all(fit is False for fit in fits):
        return None, other
    remaining = declared or widths or candidates
    first, *others = _by_base(remaining, metadata) or remaining
    table = replace(first, alike=tuple(other.family for other in others)) if others else first
    return table, table.title


def _by_base(tables: Sequence[LayerTable], metadata: Mapping[str, str]) -> list[LayerTable]:
    """Those that the name of the base in kohya's metadata tells."""
    base = metadata.get("ss_sd_model_name", "").lower()
    return [table for table in tables if any(re.search(pattern, base) for pattern in table.family.names)]


def another_family(shapes: Mapping[str, tuple[int, ...]], metadata: Mapping[str, str], family: Family) -> str:
    """What people call the family of a file that cannot be one of `family`; "" where it can, or nothing tells."""
    table, title = identify(shapes, metadata)
    return "" if table is not None and table.may_be(family.name) else title


def declared_family(metadata: Mapping[str, str]) -> str:
    """The family that metadata name; "" where they name none that is known."""
    version, architecture = metadata.get("ss_base_model_version", ""), metadata.get("modelspec.architecture", "")
    for name, family in families().items():
        # kohya's words for SDXL's derivatives begin alike: sdxl_base_v0-9
        if version and any(
            version == own or version.split("_base")[0] == own.split("_base")[0] != version for own in family.versions
        ):
            return name
        if architecture and architecture.partition("/")[0] in family.architectures:
            return name
    return ""


def _most(shapes: Mapping[str, tuple[int, ...]]) -> list[LayerTable]:
    """The tables that hold the most of these keys, at least half of them."""
    found: dict[str, int] = {}
    called = [split(key)[0] for key in shapes]
    for name in families():
        table = layer_table(name)
        names = table.names
        # most families know almost none of the names, and need not be compared tensor by tensor
        if 2 * sum(one in names or one in table.joint for one in called) >= len(shapes):
            found[name] = len(shapes) - len(by_layer(sources(shapes, names), names)[1])
    most = max(found.values(), default=0)
    return [layer_table(name) for name, count in found.items() if count == most and 2 * count >= max(1, len(shapes))]


def _width_fits(table: LayerTable, shapes: Mapping[str, tuple[int, ...]]) -> bool | None:
    """Whether the inputs of cross-attention or a text encoder, and all of a transformer, are as wide as the family's.

    None where no tensor tells it.
    """
    told: bool | None = None
    for key, shape in shapes.items():
        name, suffix = split(key)
        if suffix not in (DOWN, UP) or name not in table.names:
            continue
        layer = table.layer_names[table.names[name].key]
        module = table.frame.layer(layer)
        if module is None:
            continue
        if suffix == UP and layer.model and shape[0] != module.weight.shape[0]:
            return False
        if suffix == DOWN and (layer.model or layer.part != "unet" or layer.key.endswith(WIDTHS)):
            if shape[1] != module.weight.shape[1]:
                return False
            told = True
    return told
