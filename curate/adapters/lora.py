"""LoRA (arXiv 2106.09685) and LoCon, its form for convolutions: ΔW = s·up·down."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from typing_extensions import override

from curate.adapters.algorithm import Algorithm
from curate.adapters.autograd import low_rank
from curate.adapters.base import Layer, Plan, Shape, kaiming
from curate.adapters.dropout import Drop
from curate.adapters.linear import LinearAdapter


class Lora(LinearAdapter):
    """down [r, in(, k, k)] then up [out, r]; with tucker a 1×1 down, a k×k core [r, r, k, k] and a 1×1 up."""

    algorithm = Algorithm(
        title="LoRA",
        order=10,
        help="general",
        use="general purpose",
        options=("rank", "alpha", "scalar", "rs_lora", "tucker", "dora", "rank_dropout", "scale_weight_norms"),
        rank=32,
        tensors=("lora_up.weight", "lora_down.weight", "lora_mid.weight"),
        kernel_axes=("lora_up.weight", "lora_down.weight"),
        strength_in=("lora_up.weight",),
        rows=("lora_up.weight",),
        detects="lora_down.weight",
        cost_per_rank=0.00114,
        most_rank=64,
        most_conv_rank=16,
        module="networks.lora",
        trainer="networks.lora",
        gui=("Standard",),
    )

    def __init__(self, shape: Shape, plan: Plan) -> None:
        super().__init__(shape, plan)
        self.tucker = plan.tucker and shape.spatial
        rank, one = plan.rank, (1,) * len(shape.kernel)
        self.lora_up = nn.Parameter(torch.empty(shape.out, rank, *one))
        self.lora_down = nn.Parameter(torch.empty(rank, shape.into, *(one if self.tucker else shape.kernel)))
        self.lora_mid = nn.Parameter(torch.empty(rank, rank, *shape.kernel)) if self.tucker else None

    @override
    @classmethod
    def plan_of(cls, tensors: Mapping[str, Tensor]) -> Plan:
        rank = len(tensors["lora_down.weight"])
        return Plan(rank, float(rank), tucker="lora_mid.weight" in tensors)

    @override
    def start(self, draw: torch.Generator) -> None:
        """Up is zero, unless a learned scalar is."""
        kaiming(self.lora_down, draw)
        if self.lora_mid is not None:
            kaiming(self.lora_mid, draw)
        if self.scalar is None:
            nn.init.zeros_(self.lora_up)
        else:
            kaiming(self.lora_up, draw)

    @override
    def bare_delta(self) -> Tensor:
        up = self.lora_up.flatten(1)
        if self.lora_mid is not None:
            return torch.einsum("mn...,om,ni->oi...", self.lora_mid, up, self.lora_down.flatten(1))
        return (up @ self.lora_down.flatten(1)).reshape(self.shape.weight)

    @override
    def factors(self) -> tuple[Tensor, Tensor]:
        down = self.lora_down.flatten(1)
        if self.lora_mid is not None:
            down = torch.einsum("mn...,ni->mi...", self.lora_mid, down).flatten(1)
        return self.lora_up.flatten(1) * self.factor, down

    @override
    def bare_forward(self, x: Tensor) -> Tensor:
        return self.shape.point(self.inner(x), self.lora_up.flatten(1))

    def inner(self, x: Tensor) -> Tensor:
        """The r channels between down and up."""
        if self.lora_mid is not None:
            return self.shape.apply(self.shape.point(x, self.lora_down.flatten(1)), self.lora_mid)
        return self.shape.apply(x, self.lora_down)

    @override
    def product(self, x: Tensor) -> Tensor:
        # the scale costs r channels here, not the layer's width
        return self.shape.point(self.inner(x) * self.factor, self.lora_up.flatten(1))

    @override
    def apply_to(self, layer: Layer, x: Tensor) -> Tensor:
        if self.lora_mid is not None:
            return super().apply_to(layer, x)
        return low_rank(self.shape, layer, x, self.scaled(self.lora_down), self.lora_up.flatten(1))

    @override
    def dropped(self, x: Tensor, drop: Drop) -> Tensor:
        """ΔW·x with values and ranks dropped between down and up, ranks apart for each picture."""
        inner = drop.values(self.inner(x) * self.factor)
        size = (len(x), self.rank, 1, 1) if self.shape.kernel else (len(x), *(1,) * (x.dim() - 2), self.rank)
        return self.shape.point(drop.ranks(inner, size), self.lora_up.flatten(1))

    @override
    @torch.no_grad()
    def norm(self) -> Tensor:
        up, down = self.lora_up.flatten(1), self.lora_down.flatten(1)
        if self.lora_mid is not None:
            core = self.lora_mid.flatten(2)
            squares = torch.einsum("mp,pqk,qn,mnk->", up.T @ up, core, down @ down.T, core)
            return squares.clamp(min=0).sqrt() * abs(self.factor)
        return ((up.T @ up) * (down @ down.T)).sum().clamp(min=0).sqrt() * abs(self.factor)

    @override
    def column_lengths(self, weight: Tensor) -> Tensor:
        if self.lora_mid is not None or self.shape.kernel:
            return super().column_lengths(weight)
        up, down, s = self.lora_up, self.lora_down, self.factor
        weight = weight.to(up.dtype)
        squares = weight.square().sum(0) + 2 * s * ((up.T @ weight) * down).sum(0)
        return (squares + s * s * ((up.T @ up @ down) * down).sum(0)).clamp(min=0).sqrt()

    @override
    def bare_tensors(self) -> dict[str, Tensor]:
        mid = {} if self.lora_mid is None else {"lora_mid.weight": self.lora_mid}
        return {"lora_up.weight": self.lora_up, "lora_down.weight": self.lora_down, **mid}
