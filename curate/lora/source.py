"""The changes that a resize or a merge starts from: of one file, or of several together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Protocol

import torch
from torch import Tensor

from curate.adapters.base import Adapter, Shape
from curate.adapters.key_names import DOWN, UP
from curate.adapters.spectrum import FactorSpectrum, MatrixSpectrum, Spectrum
from curate.diffusion.base_weights import BaseWeights
from curate.errors import InputError
from curate.lora.changes import change_norm, layer_adapter
from curate.lora.file import LoraFile
from curate.lora.output import Names
from curate.lora.scale import check_proportional
from curate.lora.weights import Weighted, combined, strength_of

NO_FACTORS = ("norm",)
ROUNDING = 1e-6
"""Share of the changes' norms that their sum may have where they cancel out: float32 rounds at 6e-8."""


@dataclass(frozen=True)
class Change:
    """A layer's ΔW.

    rank    of the file; 0 for an algorithm without one
    scale   alpha/rank that a result keeps
    parts   adapters and their strengths
    dora    lengths that stay beside another rank
    """

    shape: Shape
    rank: int
    scale: float
    parts: tuple[tuple[Adapter, float], ...]
    algorithms: tuple[str, ...]
    dora: Tensor | None = None

    def factors(self) -> tuple[Tensor, Tensor] | None:
        """ΔW as up·down [out, r], [r, in·k·k], exact; None where a part of it has no factors."""
        ups: list[Tensor] = []
        downs: list[Tensor] = []
        for adapter, strength in self.parts:
            pair = adapter.factors()
            if pair is None:
                return None
            ups.append(pair[0] * strength)
            downs.append(pair[1])
        return torch.cat(ups, dim=1), torch.cat(downs)

    @torch.no_grad()
    def spectrum(self) -> Spectrum:
        """The singular values of ΔW."""
        if len(self.parts) == 1 and self.parts[0][1] == 1:
            return self.parts[0][0].spectrum()
        pair = self.factors()
        smaller = min(self.shape.out, self.shape.into * self.shape.area)
        if pair is not None and pair[1].shape[0] < smaller:
            return FactorSpectrum(*pair)
        return MatrixSpectrum(self.delta().flatten(1))

    @torch.no_grad()
    def cancels(self, norm: float) -> bool:
        """Whether several changes add up to nothing but rounding; `norm` is the Frobenius norm of their sum."""
        if len(self.parts) < 2:
            return False
        return norm <= ROUNDING * sum(abs(strength) * change_norm(adapter) for adapter, strength in self.parts)

    @torch.no_grad()
    def delta(self) -> Tensor:
        """ΔW itself."""
        return torch.stack([adapter.delta().reshape(self.shape.weight) * s for adapter, s in self.parts]).sum(0)


class Source(Protocol):
    """Layers and their changes."""

    @property
    def layers(self) -> Sequence[str]:
        """Layers in the order of the family's table."""
        ...

    @property
    def names(self) -> Names:
        """What a result calls them."""
        ...

    @property
    def left_out(self) -> Sequence[str]:
        """What a plain LoRA cannot hold, in words."""
        ...

    def change(self, layer: str) -> Change:
        """A layer's change. Raises InputError that names the layer."""
        ...


class LoraSource:
    """The changes of one or more files, each with its strengths.

    files   as given, but each file once
    """

    def __init__(self, given: Sequence[Weighted], base: BaseWeights | None = None) -> None:
        self.given, self.files, self.base = given, combined(given), base
        files = self.files
        self.names = Names.of(files[0].file)
        check_families(files)
        order = list(files[0].file.table.layer_names) if files[0].file.table else []
        held = dict.fromkeys(layer for one in files for layer in one.file.layers)
        everything = [layer for layer in order if layer in held] if order else list(held)
        self.layers = [layer for layer in everything if any(self._holds(one.file, layer) for one in files)]
        self.left_out = [text for one in files for text in left_out(one.file)]

    def _holds(self, file: LoraFile, layer: str) -> bool:
        return layer in file.layers and file.algorithm(layer) not in ("", *NO_FACTORS)

    def holders(self, layer: str) -> list[Weighted]:
        """The files that change a layer, with a strength other than 0."""
        return [one for one in self.files if self._holds(one.file, layer) and strength_of(one, layer)]

    def change(self, layer: str) -> Change:
        """A layer's change. Raises InputError that names the layer."""
        parts: list[tuple[Adapter, float]] = []
        dora: Tensor | None = None
        for one in self.files:
            strength = strength_of(one, layer)
            if not strength or not self._holds(one.file, layer):
                continue
            tensors = one.file.tensors(layer)
            dora = tensors.get("dora_scale")
            if dora is not None and len(self.files) > 1:
                raise InputError(
                    f"{one.file.path.name}: {layer} is a DoRA, which cannot be added to another LoRA",
                    "merge it into the base: `curate lora merge … --base MODEL`",
                )
            if dora is not None:
                check_proportional(one, layer)
            parts.append((layer_adapter(one.file, layer, self.base, tensors), strength))
        if not parts:
            return Change(Shape(0, 0), 0, 1.0, (), ())
        shape = parts[0][0].shape
        for adapter, _ in parts[1:]:
            if (adapter.shape.out, adapter.shape.into * adapter.shape.area) != (shape.out, shape.into * shape.area):
                raise InputError(
                    f"{layer}: the files change weights of {list(shape.weight)} and {list(adapter.shape.weight)}",
                    "they are for different base models",
                )
        algorithms = tuple(adapter.algorithm.stored for adapter, _ in parts)
        alone = parts[0][0] if len(parts) == 1 and algorithms == ("lora",) else None
        scale = alone.scale if alone is not None and alone.scale > 0 else 1.0
        rank = sum(_rank(adapter) for adapter, _ in parts)
        return Change(shape, rank, scale, tuple(parts), algorithms, dora)


def _rank(adapter: Adapter) -> int:
    return adapter.plan.rank if adapter.algorithm.stored in ("lora", "loha", "lokr", "glora") else 0


def check_families(files: Sequence[Weighted]) -> None:
    """Raises InputError where the files are of several families."""
    for one, two in combinations((given.file for given in files), 2):
        tables = one.table, two.table
        alike = any(a and b and a.may_be(b.family.name) for a, b in (tables, tables[::-1]))
        if one.title != two.title and not alike:
            raise InputError(
                f"{one.path.name} is for {one.title or 'an unknown family'}, and {two.path.name} for "
                f"{two.title or 'another'}",
                "merge LoRAs of one family",
            )


def nothing_left(source: LoraSource) -> InputError:
    """Why no layer of a sum changes anything."""
    held = [layer for layer in source.layers if source.holders(layer)]
    if not held and not any(strength_of(one, layer) for one in source.given for layer in one.file.layers):
        return InputError("nothing is left: every strength is 0", "give at least one LoRA another strength")
    if not held or any(change_norm(adapter) for layer in held for adapter, _ in source.change(layer).parts):
        return InputError("nothing is left: the LoRAs cancel each other", "give one of them another strength")
    return InputError("nothing is left: the LoRA changes nothing", "`curate lora check` says more")


def left_out(file: LoraFile, plain: bool = True) -> list[str]:
    """What of a file a plain LoRA cannot hold; or only what belongs to no known layer."""
    from curate.core.counting import counted

    norms = plain * sum(file.algorithm(layer) in NO_FACTORS for layer in file.layers)
    biases = plain * sum("diff_b" in keys for keys in file.layers.values())
    strange = sum(not file.algorithm(layer) for layer in file.layers) + len(file.unknown)
    found = []
    for count, thing, more in (
        (norms, "norm layer", "norm layers"),
        (biases, "change of a bias", "changes of biases"),
        (strange, "key that is of no known layer", "keys that are of no known layer"),
    ):
        if count:
            found.append(f"{file.path.name}: {counted(count, thing, more)}")
    return found


def shared_alpha(alphas: Iterable[float], dtype: torch.dtype) -> float:
    """One alpha for all layers of a file, whatever their ranks: the largest of these, as the type holds it.

    diffusers misreads files of kohya's names in which layers have alphas of their own.
    """
    return float(torch.tensor(max(alphas, default=0.0) or 1.0, dtype=dtype))


def as_lora(
    names: Names, layer: str, up: Tensor, down: Tensor, alpha: float, shape: Shape, dtype: torch.dtype
) -> dict[str, Tensor]:
    """A layer's tensors as kohya's files hold them, from up [out, r] and down [r, in·k·k]."""
    kernel = shape.kernel
    if not kernel and names.table and names.table.frame.stored_as_point(names.layer_name(layer)):
        kernel = (1, 1)
    rank = down.shape[0]
    return {
        "alpha": torch.tensor(alpha, dtype=dtype),
        DOWN: down.reshape(rank, -1, *kernel).to(dtype).contiguous(),
        UP: up.reshape(-1, rank, *(1,) * len(kernel)).to(dtype).contiguous(),
    }
