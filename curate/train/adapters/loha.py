"""LoHa (FedPara, arXiv 2108.06098): ΔW = s·(w1a·w1b)∘(w2a·w2b), computed as a LoRA of rank r²."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from typing_extensions import override

from curate.train.adapters._base import Adapter, Plan, Shape


def khatri_rao(a: Tensor, b: Tensor) -> Tensor:
    """Row-wise Kronecker product of [n, r] and [n, s]: [n, r·s]."""
    return (a.unsqueeze(2) * b.unsqueeze(1)).flatten(1)


class Loha(Adapter):
    """Two rank-r products multiplied entrywise reach rank r².

    Since (A·B)∘(C·D) = KR(A, C)·KR(Bᵀ, Dᵀ)ᵀ, the forward needs no ΔW while r² stays small.
    """

    algo = "loha"
    detects = "hada_w1_a"

    def __init__(self, shape: Shape, plan: Plan) -> None:
        super().__init__(shape, plan)
        self.tucker = plan.tucker and shape.spatial
        rank = plan.rank

        def pair() -> tuple[nn.Parameter, nn.Parameter]:
            if self.tucker:
                return nn.Parameter(torch.empty(rank, shape.out)), nn.Parameter(torch.empty(rank, shape.into))
            return nn.Parameter(torch.empty(shape.out, rank)), nn.Parameter(torch.empty(rank, shape.into * shape.area))

        self.hada_w1_a, self.hada_w1_b = pair()
        self.hada_w2_a, self.hada_w2_b = pair()
        self.hada_t1 = nn.Parameter(torch.empty(rank, rank, *shape.kernel)) if self.tucker else None
        self.hada_t2 = nn.Parameter(torch.empty(rank, rank, *shape.kernel)) if self.tucker else None

    @override
    @classmethod
    def plan_of(cls, tensors: Mapping[str, Tensor]) -> Plan:
        rank = len(tensors["hada_w1_b"])
        return Plan(rank, float(rank), tucker="hada_t1" in tensors)

    @override
    def start(self, draw: torch.Generator) -> None:
        """w2a is zero, unless a learnt scalar is."""
        nn.init.normal_(self.hada_w1_b, std=1.0, generator=draw)
        nn.init.normal_(self.hada_w1_a, std=0.1, generator=draw)
        nn.init.normal_(self.hada_w2_b, std=1.0, generator=draw)
        if self.scalar is None:
            nn.init.zeros_(self.hada_w2_a)
        else:
            nn.init.normal_(self.hada_w2_a, std=0.1, generator=draw)
        for core in (self.hada_t1, self.hada_t2):
            if core is not None:
                nn.init.normal_(core, std=0.1, generator=draw)

    @override
    def bare_delta(self) -> Tensor:
        if self.hada_t1 is not None and self.hada_t2 is not None:
            form = "ij...,ip,jr->pr..."
            one = torch.einsum(form, self.hada_t1, self.hada_w1_a, self.hada_w1_b)
            return one * torch.einsum(form, self.hada_t2, self.hada_w2_a, self.hada_w2_b)
        return ((self.hada_w1_a @ self.hada_w1_b) * (self.hada_w2_a @ self.hada_w2_b)).reshape(self.shape.weight)

    @property
    def factored(self) -> bool:
        """Whether two products of inner size r² cost less than a product with ΔW."""
        inner, width = self.rank**2, self.shape.into * self.shape.area
        if self.tucker:
            return inner * (self.shape.into + self.shape.out + inner * self.shape.area) < width * self.shape.out
        return inner * (width + self.shape.out) < width * self.shape.out

    @override
    def bare_forward(self, x: Tensor) -> Tensor:
        if not self.factored:
            return self.shape.apply(x, self.bare_delta())
        if self.hada_t1 is not None and self.hada_t2 is not None:
            up = khatri_rao(self.hada_w1_a.T, self.hada_w2_a.T)
            down = khatri_rao(self.hada_w1_b.T, self.hada_w2_b.T).T
            rank, kernel = self.rank, self.shape.kernel
            core = torch.einsum("ij...,pq...->ipjq...", self.hada_t1, self.hada_t2).reshape(rank**2, rank**2, *kernel)
            return self.shape.point(self.shape.apply(self.shape.point(x, down), core), up)
        up = khatri_rao(self.hada_w1_a, self.hada_w2_a)
        down = (self.hada_w1_b.unsqueeze(1) * self.hada_w2_b.unsqueeze(0)).reshape(-1, self.shape.into, *self.shape.kernel)
        return self.shape.point(self.shape.apply(x, down), up)

    @override
    @torch.no_grad()
    def norm(self) -> Tensor:
        if self.tucker or not self.factored:
            return super().norm()
        up = khatri_rao(self.hada_w1_a, self.hada_w2_a)
        down = khatri_rao(self.hada_w1_b.T, self.hada_w2_b.T)
        return ((up.T @ up) * (down.T @ down)).sum().clamp(min=0).sqrt() * abs(self.factor)

    @override
    def bare_tensors(self) -> dict[str, Tensor]:
        pairs = {f"hada_{n}": getattr(self, f"hada_{n}") for n in ("w1_a", "w1_b", "w2_a", "w2_b")}
        if self.hada_t1 is not None and self.hada_t2 is not None:
            pairs |= {"hada_t1": self.hada_t1, "hada_t2": self.hada_t2}
        return pairs
