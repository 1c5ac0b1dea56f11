"""Adapters whose ΔW hangs on the layer's own weight, by how they reach it: beside the input, or on the output."""

from __future__ import annotations

from abc import abstractmethod

import torch
from torch import Tensor, nn
from typing_extensions import override

from curate.adapters.autograd import WHOLE
from curate.adapters.base import Layer
from curate.adapters.dropout import KEEP, Drop
from curate.adapters.linear import LinearAdapter
from curate.adapters.quantized_layer import QuantizedLayer


class Bound(LinearAdapter):
    """Knows its layer; the layer stays the model's own and is no part of this module."""

    @override
    def attach(self, layer: Layer) -> None:
        self._attached = (layer,)

    @property
    def layer(self) -> Layer:
        """The adapted layer."""
        return self._attached[0]

    @property
    def weight(self) -> Tensor:
        """The layer's frozen weight in the precision of the parameters."""
        return self.layer.weight.detach().to(next(self.parameters()).dtype)

    @property
    def exact(self) -> bool:
        """Whether the base computes in a precision in which ΔW can join the base's own product."""
        return not isinstance(self.layer, QuantizedLayer) and self.layer.weight.dtype in WHOLE

    @override
    def limit(self, longest: float) -> None:
        with torch.no_grad():
            ratio = longest / self.norm().clamp(min=longest)
            for parameter in self.linear_parts():
                parameter.mul_(ratio)

    def linear_parts(self) -> list[nn.Parameter]:
        """Parameters that ΔW is proportional to."""
        return list(self.parameters())


class Turning(Bound):
    """ΔW·x is made of the layer's output: no second product with a weight of full size."""

    @abstractmethod
    def turned(self, out: Tensor) -> Tensor:
        """What is added, for the base's output [P, out, S] without its bias."""

    @override
    def apply_to(self, layer: Layer, x: Tensor) -> Tensor:
        out, added = self.parts(layer, x, KEEP)
        return out + added

    @override
    def parts(self, layer: Layer, x: Tensor, drop: Drop) -> tuple[Tensor, Tensor]:
        """With values of the output, its bias aside, and rows of the change dropped."""
        out = layer(x)
        bias = layer.bias
        bare = out
        if bias is not None:
            bare = out - (bias[:, None, None] if self.shape.kernel else bias).to(out.dtype)
        added = self._channels(drop.values(bare))
        return out, drop.ranks(added, (self.shape.out, *(1,) * len(self.shape.kernel)))

    @override
    def forward(self, x: Tensor) -> Tensor:
        return self._channels(self.shape.apply(x, self.layer.weight))

    def _channels(self, out: Tensor) -> Tensor:
        shape = (len(out), self.shape.out, -1) if self.shape.kernel else (-1, self.shape.out, 1)
        return self.turned(out.reshape(shape)).reshape(out.shape)

    @override
    def bare_forward(self, x: Tensor) -> Tensor:
        return self._channels(self.shape.apply(x, self.layer.weight))

    @override
    def bare_delta(self) -> Tensor:
        return self.turned(self.weight.reshape(1, self.shape.out, -1)).reshape(self.shape.weight)
