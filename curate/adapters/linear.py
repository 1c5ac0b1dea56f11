"""Adapters that add ΔW·x to what a linear layer or a convolution gives."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn
from typing_extensions import override

from curate.adapters.base import BareAdapter, Layer, Plan, Shape, copy_values
from curate.adapters.dropout import Drop

PORTION = 1 << 20
"""Numbers of ΔW that exist at once where its length is measured by rows.

Measured by tests/bench/adapter_constants.py, a CPU of two cores on one thread, ΔW of 2560² by LoHa of rank 64: 45 ms
and 4 MiB; 2¹⁸ 43 ms, 2¹⁶ 52 ms, 2²⁴ 61 ms and 64 MiB.
"""


class LinearAdapter(BareAdapter):
    """ΔW beside one frozen layer: y = layer(x) + ΔW·x.

    `forward` gives only what is added (no bias), in the cheapest form the algorithm has; `delta` is the dense ΔW.
    """

    scalar: nn.Parameter | None

    def __init__(self, shape: Shape, plan: Plan) -> None:
        super().__init__(shape, plan)
        self.rank = plan.rank
        self.scale = plan.alpha / (plan.rank**0.5 if plan.rs else plan.rank)
        self.scalar = nn.Parameter(torch.zeros(())) if plan.scalar else None

    @override
    def apply_to(self, layer: Layer, x: Tensor) -> Tensor:
        """In one step, where the algorithm has a cheaper form for that."""
        return layer(x) + self(x)

    def parts(self, layer: Layer, x: Tensor, drop: Drop) -> tuple[Tensor, Tensor]:
        """The layer's own output and what is added to it, with dropouts."""
        return layer(x), self.dropped(x, drop)

    @property
    def stored_alpha(self) -> float:
        """The alpha of a file, such that a reader's alpha/rank is our scale."""
        return self.scale * self.rank

    @property
    def factor(self) -> Tensor | float:
        """What the bare product is multiplied with: alpha/rank, and the learned scalar where there is one."""
        return self.scale if self.scalar is None else self.scale * self.scalar

    def scaled(self, part: Tensor) -> Tensor:
        """A part of the product with the factor in it."""
        return part if self.scalar is None and self.scale == 1 else part * self.factor

    @abstractmethod
    def bare_delta(self) -> Tensor:
        """ΔW without the scale, in the layer weight's shape."""

    @abstractmethod
    def bare_forward(self, x: Tensor) -> Tensor:
        """ΔW·x without the scale."""

    def product(self, x: Tensor) -> Tensor:
        """ΔW·x."""
        return self.bare_forward(x) * self.factor

    def forward(self, x: Tensor) -> Tensor:
        """What the adapter adds to the layer's output for input x."""
        return self.product(x)

    def dropped(self, x: Tensor, drop: Drop) -> Tensor:
        """ΔW·x with values of x and rows of ΔW dropped."""
        return drop.ranks(self.product(drop.values(x)), (self.shape.out, *(1,) * len(self.shape.kernel)))

    @torch.no_grad()
    def norm(self) -> Tensor:
        """Frobenius norm of ΔW."""
        return self.delta().norm()

    @torch.no_grad()
    def norm_by_rows(self, rows: Callable[[slice], Tensor]) -> Tensor:
        """Frobenius norm of ΔW where `rows` makes a slice of its outputs without the scale: the whole never exists."""
        each = max(1, PORTION // (self.shape.into * self.shape.area))
        squares = [rows(slice(at, at + each)).square().sum() for at in range(0, self.shape.out, each)]
        return torch.stack(squares).sum().sqrt() * abs(self.factor)

    @override
    @torch.no_grad()
    def limit(self, longest: float) -> None:
        # every factor takes an equal part of it
        parts = list(self.parameters())
        norm = self.norm()
        ratio = (longest / norm.clamp(min=longest)) ** (1 / len(parts))
        for parameter in parts:
            parameter.mul_(ratio)

    @override
    def delta(self) -> Tensor:
        return self.bare_delta() * self.factor

    @abstractmethod
    def bare_tensors(self) -> dict[str, Tensor]:
        """The parameters by their suffix in a file, in the file's shapes; the first takes the learned scalar in."""

    @override
    def tensors(self) -> dict[str, Tensor]:
        """With the learned scalar folded in."""
        out = {name: tensor.detach() for name, tensor in self.bare_tensors().items()}
        if self.scalar is not None:
            first = next(iter(out))
            out[first] = out[first] * self.scalar.detach()
        return {**out, "alpha": torch.tensor(float(self.stored_alpha))}

    @override
    @torch.no_grad()
    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Without an alpha it is the rank."""
        copy_values(self.bare_tensors(), tensors)
        self.scale = self.scale_of(tensors)
        if self.scalar is not None:
            self.scalar.fill_(1.0)

    def scale_of(self, tensors: Mapping[str, Tensor]) -> float:
        """The scale that a reader gives a file's tensors."""
        return float(tensors["alpha"]) / self.rank if "alpha" in tensors else 1.0

    @override
    @torch.no_grad()
    def rescale(self, scale: float) -> None:
        first = next(iter(self.bare_tensors().values()))
        first.mul_(self.scale / scale)
        self.scale = scale
