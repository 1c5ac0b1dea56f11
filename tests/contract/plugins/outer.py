"""A throw-away algorithm: ΔW = s·u·vᵀ, one file and nothing else."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from typing_extensions import override

from curate.adapters.algorithm import Algorithm
from curate.adapters.base import Plan, Shape, kaiming
from curate.adapters.linear import LinearAdapter


class Outer(LinearAdapter):
    """outer_u [out] and outer_v [in(, k, k)], of rank 1 whatever is asked for."""

    algorithm = Algorithm(
        title="Outer",
        help="a test's own",
        use="shows that one file is enough",
        options=("rank", "alpha", "scale_weight_norms"),
        rank=2,
        alpha="half",
        rate=3e-3,
        rates=(1e-3, 1e-2),
        layers="outer-only",
        presets={"outer-only": (".to_q", ".q_proj")},
        tensors=("outer_u", "outer_v"),
        detects="outer_u",
        cost=1.01,
        gui=("Test/Outer",),
        recorded=("rank",),
    )

    def __init__(self, shape: Shape, plan: Plan) -> None:
        super().__init__(shape, plan)
        self.outer_u = nn.Parameter(torch.empty(shape.out))
        self.outer_v = nn.Parameter(torch.empty(shape.weight[1:]))

    @override
    @classmethod
    def plan_of(cls, tensors: Mapping[str, Tensor]) -> Plan:
        return Plan(2, 1.0)

    @override
    def start(self, draw: torch.Generator) -> None:
        nn.init.zeros_(self.outer_u)
        kaiming(self.outer_v[None], draw)

    @override
    def bare_delta(self) -> Tensor:
        return (self.outer_u[:, None] * self.outer_v.flatten()[None]).reshape(self.shape.weight)

    @override
    def bare_forward(self, x: Tensor) -> Tensor:
        return self.shape.apply(x, self.bare_delta())

    @override
    def bare_tensors(self) -> dict[str, Tensor]:
        return {"outer_u": self.outer_u, "outer_v": self.outer_v}
