"""GLoRA (arXiv 2306.07967) as LyCORIS has it: ΔW = s·(b1·b2 + W·a1·a2), low ranks beside and before the layer."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from typing_extensions import override

from curate.adapters.algorithm import Algorithm
from curate.adapters.base import Layer, Plan, Shape, kaiming
from curate.adapters.dropout import KEEP, Drop
from curate.adapters.weight_bound import Bound


class Glora(Bound):
    """a1 [in, r], a2 [r, in], b1 [out, r], b2 [r, in(, k, k)]; a layer's input becomes x + s·a1·a2·x."""

    algorithm = Algorithm(
        title="GLoRA",
        order=50,
        help="general styles",
        use="general styles and concepts",
        options=("rank", "alpha", "scalar", "rs_lora", "rank_dropout", "scale_weight_norms"),
        rank=32,
        tensors=("a1.weight", "a2.weight", "b1.weight", "b2.weight"),
        kernel_axes=("a1.weight", "a2.weight", "b1.weight", "b2.weight"),
        strength_in=("a2.weight", "b2.weight"),
        detects="a1.weight",
        cost=1.3,
        gui=("LyCORIS/GLoRA",),
    )

    def __init__(self, shape: Shape, plan: Plan) -> None:
        super().__init__(shape, plan)
        rank, one = plan.rank, (1,) * len(shape.kernel)
        self.a1 = nn.Parameter(torch.empty(shape.into, rank, *one))
        self.a2 = nn.Parameter(torch.empty(rank, shape.into, *one))
        self.b1 = nn.Parameter(torch.empty(shape.out, rank, *one))
        self.b2 = nn.Parameter(torch.empty(rank, shape.into, *shape.kernel))

    @override
    @classmethod
    def plan_of(cls, tensors: Mapping[str, Tensor]) -> Plan:
        if "bm.weight" in tensors:
            raise ValueError("a core tensor (bm.weight) in a GLoRA is not supported")
        rank = len(tensors["a2.weight"])
        return Plan(rank, float(rank))

    @override
    def start(self, draw: torch.Generator) -> None:
        """a2 and b2 are zero, unless a learned scalar is."""
        for parameter in (self.a1, self.b1):
            kaiming(parameter, draw)
        for parameter in (self.a2, self.b2):
            if self.scalar is None:
                nn.init.zeros_(parameter)
            else:
                kaiming(parameter, draw)

    @override
    def apply_to(self, layer: Layer, x: Tensor) -> Tensor:
        if not self.exact:
            return super().apply_to(layer, x)
        return layer(x + self._before(x)) + self._beside(x)

    def _inner(self, inner: Tensor, drop: Drop) -> Tensor:
        return drop.ranks(drop.values(inner * self.factor), (self.rank, *(1,) * len(self.shape.kernel)))

    def _before(self, x: Tensor, drop: Drop = KEEP) -> Tensor:
        return self.shape.point(self._inner(self.shape.point(x, self.a2.flatten(1)), drop), self.a1.flatten(1))

    def _beside(self, x: Tensor, drop: Drop = KEEP) -> Tensor:
        return self.shape.point(self._inner(self.shape.apply(x, self.b2), drop), self.b1.flatten(1))

    @override
    def product(self, x: Tensor) -> Tensor:
        return self.dropped(x, KEEP)

    @override
    def dropped(self, x: Tensor, drop: Drop) -> Tensor:
        """ΔW·x with values and ranks dropped between each pair of factors."""
        return self.shape.apply(self._before(x, drop), self.layer.weight) + self._beside(x, drop)

    @override
    def bare_forward(self, x: Tensor) -> Tensor:
        before = self.shape.point(self.shape.point(x, self.a2.flatten(1)), self.a1.flatten(1))
        beside = self.shape.point(self.shape.apply(x, self.b2), self.b1.flatten(1))
        return self.shape.apply(before, self.layer.weight) + beside

    @override
    def bare_delta(self) -> Tensor:
        beside = (self.b1.flatten(1) @ self.b2.flatten(1)).reshape(self.shape.weight)
        return beside + torch.einsum("oi...,ir,rj->oj...", self.weight, self.a1.flatten(1), self.a2.flatten(1))

    @override
    def norm(self) -> Tensor:
        return self.norm_by_rows(self._rows)

    def _rows(self, rows: slice) -> Tensor:
        weight = self.layer.weight[rows].to(self.a1.dtype)
        before = torch.einsum("oi...,ir,rj->oj...", weight, self.a1.flatten(1), self.a2.flatten(1))
        return before + (self.b1.flatten(1)[rows] @ self.b2.flatten(1)).reshape(before.shape)

    @override
    def linear_parts(self) -> list[nn.Parameter]:
        return [self.a2, self.b2]

    @override
    def bare_tensors(self) -> dict[str, Tensor]:
        return {f"{name}.weight": getattr(self, name) for name in ("a2", "b2", "a1", "b1")}

    @override
    def tensors(self) -> dict[str, Tensor]:
        out = super().tensors()
        if self.scalar is not None:
            # the first, a2, holds the scalar already; b2 is the other half of the sum
            out["b2.weight"] = out["b2.weight"] * self.scalar.detach()
        return out

    @override
    @torch.no_grad()
    def rescale(self, scale: float) -> None:
        for parameter in self.linear_parts():
            parameter.mul_(self.scale / scale)
        self.scale = scale
