"""Layers that a LoRA file holds as one, as the original network does: each is some rows of what the file has.

ΔW of the matrix [q; k; v] is up·down, and q's rows of it are q's rows of up times the same down: splitting is exact.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from torch import Tensor

from curate.adapters.algorithm import algorithms
from curate.adapters.key_names import Alias, split
from curate.adapters.layer_name import Rows

Shapes = Mapping[str, tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class Source:
    """A tensor of a file, or some of its rows; None for all of them."""

    key: str
    rows: Rows | None = None

    def of(self, tensor: Tensor) -> Tensor:
        """These rows of the file's tensor."""
        if self.rows is None:
            return tensor
        first, end = self.ends(tensor.shape[0])
        return tensor[first:end].contiguous()

    def shape(self, whole: tuple[int, ...]) -> tuple[int, ...]:
        """The shape of these rows."""
        if self.rows is None:
            return whole
        first, end = self.ends(whole[0])
        return (end - first, *whole[1:])

    def ends(self, count: int) -> tuple[int, int]:
        """The first of these rows among so many, and the one after the last."""
        assert self.rows is not None
        first, end, of = self.rows
        return count * first // of, count * end // of


@cache
def _has_rows() -> Mapping[str, bool]:
    """By suffix whether a tensor has a row for each output, of algorithms whose layers can be split by rows."""
    found = {suffix: suffix in one.rows for one in algorithms().values() if one.rows for suffix in one.tensors}
    return {**found, "alpha": False}


def sources(shapes: Shapes, names: Mapping[str, Alias]) -> dict[str, Source]:
    """Where the tensors of each layer are, by key; keys of a joint layer become one for each of its layers.

    A joint layer that cannot be split exactly, or that the file also holds split, keeps its keys.
    """
    parts: dict[str, list[tuple[str, Rows]]] = {}
    for name, alias in names.items():
        if alias.rows is not None:
            parts.setdefault(alias.joint, []).append((name, alias.rows))
    whole: dict[str, list[str]] = {}
    for key in shapes:
        whole.setdefault(split(key)[0], []).append(key)
    held = {names[name].key for name in whole if name in names}
    found: dict[str, Source] = {}
    for name, keys in whole.items():
        own = parts.get(name, [])
        twice = any(names[part].key in held for part, _ in own)
        if not own or twice or not all(_is_split(key, shapes[key], rows) for key in keys for _, rows in own):
            found |= {key: Source(key) for key in keys}
            continue
        for part, rows in own:
            for key in keys:
                has_rows = _has_row_for_each_output(key, shapes[key])
                found[part + key.removeprefix(name)] = Source(key, rows if has_rows else None)
    return found


def _has_row_for_each_output(key: str, shape: tuple[int, ...]) -> bool:
    suffix = split(key)[1]
    if suffix == "dora_scale":
        return True
    return _has_rows().get(suffix, False)


def _is_split(key: str, shape: tuple[int, ...], rows: Rows) -> bool:
    """Whether a tensor of a joint layer falls into those of its layers."""
    suffix = split(key)[1]
    if suffix == "dora_scale" and shape[0] == 1:  # the lengths of the joint matrix's columns are not those of its parts
        return False
    known = suffix in (*_has_rows(), "dora_scale")
    return known and not (_has_row_for_each_output(key, shape) and shape[0] % rows[2])
