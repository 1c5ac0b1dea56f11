"""Adapters around an adapter: dropout while training, and DoRA."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Generic, TypeVar

import torch
from torch import Tensor, nn
from typing_extensions import override

from curate.adapters.base import Adapter, Layer, copy_values
from curate.adapters.dropout import Drop
from curate.adapters.linear import LinearAdapter
from curate.adapters.spectrum import Spectrum

A = TypeVar("A", bound=Adapter)


class Wrapper(Adapter, Generic[A]):
    """Holds an adapter and passes on to it what it does not change.

    Parameters keep the names and the order that they have without the wrapper, its own come last: checkpoints know the
    names, and optimizers know the order.
    """

    def __init__(self, adapter: A) -> None:
        super().__init__(adapter.shape, adapter.plan)
        self.algorithm = adapter.algorithm
        self.adapter = adapter

    @override
    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, nn.Parameter]]:
        yield from self.adapter.named_parameters(prefix, recurse, remove_duplicate)
        before = f"{prefix}." if prefix else ""
        yield from ((before + name, own) for name, own in self._parameters.items() if own is not None)

    @property
    def scale(self) -> float:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The adapter's."""
        return self.adapter.scale

    @property
    @override
    def is_random(self) -> bool:
        return self.adapter.is_random

    @property
    @override
    def decomposed(self) -> bool:
        return self.adapter.decomposed

    @override
    def attach(self, layer: Layer) -> None:
        self.adapter.attach(layer)

    @override
    def start(self, draw: torch.Generator) -> None:
        self.adapter.start(draw)

    @override
    def apply_to(self, layer: Layer, x: Tensor) -> Tensor:
        return self.adapter.apply_to(layer, x)

    @override
    def delta(self) -> Tensor:
        return self.adapter.delta()

    @override
    def column_lengths(self, weight: Tensor) -> Tensor:
        return self.adapter.column_lengths(weight)

    @override
    def factors(self) -> tuple[Tensor, Tensor] | None:
        return self.adapter.factors()

    @override
    def spectrum(self) -> Spectrum:
        return self.adapter.spectrum()

    @override
    def tensors(self) -> dict[str, Tensor]:
        return self.adapter.tensors()

    @override
    def load(self, tensors: Mapping[str, Tensor]) -> None:
        self.adapter.load(tensors)

    @override
    def limit(self, longest: float) -> None:
        self.adapter.limit(longest)

    @override
    def rescale(self, scale: float) -> None:
        self.adapter.rescale(scale)


class Dropout(Wrapper[LinearAdapter]):
    """Drops values, ranks or the whole of what an adapter adds, while training."""

    def __init__(self, adapter: LinearAdapter, drop: Drop) -> None:
        super().__init__(adapter)
        self.drop = drop

    @property
    @override
    def is_random(self) -> bool:
        return True

    @override
    def apply_to(self, layer: Layer, x: Tensor) -> Tensor:
        if not self.training:
            return self.adapter.apply_to(layer, x)
        out, added = self.adapter.parts(layer, x, self.drop)
        return out + self.drop.module(added)


class Dora(Wrapper[Adapter]):
    """DoRA (arXiv 2402.09353) on the input axis: the length of each column of the changed weight is learned apart.

    dora_scale   [1, in(, 1, 1)]; at the start the lengths of the frozen weight's columns
    """

    def __init__(self, adapter: Adapter, weight: Tensor) -> None:
        """Takes an adapter that has its values, and the frozen weight."""
        super().__init__(adapter)
        with torch.no_grad():
            lengths = adapter.column_lengths(weight.detach().float())
        self.dora_scale = nn.Parameter(lengths.reshape(1, -1, *(1,) * len(self.shape.kernel)))

    @property
    @override
    def decomposed(self) -> bool:
        return True

    @override
    def apply_to(self, layer: Layer, x: Tensor) -> Tensor:
        return self.adapter.apply_to(layer, self._scaled(x, layer.weight))

    def _scaled(self, x: Tensor, weight: Tensor) -> Tensor:
        """x with each channel scaled as the weight's columns are; the length of W+ΔW is constant (§4.3)."""
        with torch.no_grad(), torch.autocast(x.device.type, enabled=False):
            lengths = self.adapter.column_lengths(weight)
        gain = (self.dora_scale.flatten() / lengths.clamp(min=1e-12)).to(x.dtype)
        return x * (gain.reshape(-1, 1, 1) if self.shape.kernel else gain)

    @override
    def tensors(self) -> dict[str, Tensor]:
        return {**self.adapter.tensors(), "dora_scale": self.dora_scale.detach()}

    @override
    def load(self, tensors: Mapping[str, Tensor]) -> None:
        own = {name: tensor for name, tensor in tensors.items() if name == "dora_scale"}
        copy_values({"dora_scale": self.dora_scale}, own)
        self.adapter.load({name: tensor for name, tensor in tensors.items() if name not in own})
