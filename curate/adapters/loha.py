"""LoHa (FedPara, arXiv 2108.06098): ΔW = s·(w1a·w1b)∘(w2a·w2b), computed as a LoRA of rank r²."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from typing_extensions import override

from curate.adapters.algorithm import Algorithm
from curate.adapters.autograd import exact, low_rank, merged, positions
from curate.adapters.base import Layer, Plan, Shape
from curate.adapters.linear import LinearAdapter


def khatri_rao(a: Tensor, b: Tensor) -> Tensor:
    """Column-wise Kronecker product of [r, n] and [s, n]: [r·s, n]."""
    return (a.unsqueeze(1) * b.unsqueeze(0)).flatten(0, 1)


ENTRY = 100
"""What making an entry of ΔW and the gradients of its factors costs beside the products, in multiplications.

Measured by tests/bench/adapter_constants.py, a CPU of two cores on one thread, ranks 4 to 16, linear layers of 320 to
2560 and a 3×3 convolution of 160, 64 to 1024 positions: steps so chosen take 0 % longer than by the quicker way each
time (0 to 25: 0 to 0.1 %; 400: 1 %; always W + ΔW: 19 %; always factors: 13 %).
"""


class Loha(LinearAdapter):
    """Two rank-r products multiplied entrywise reach rank r².

    Since (A·B)∘(C·D) = KR(A, C)·KR(Bᵀ, Dᵀ)ᵀ, the forward needs no ΔW while r² stays small.
    """

    algorithm = Algorithm(
        title="LoHa",
        order=20,
        help="simple concepts, flexible",
        use="simple or several concepts, a character in other styles; weak on fine detail",
        options=("rank", "alpha", "scalar", "rs_lora", "tucker", "dora", "rank_dropout", "scale_weight_norms"),
        rank=16,
        alpha="half",
        tensors=("hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b", "hada_t1", "hada_t2"),
        strength_in=("hada_w1_a",),
        rows=("hada_w1_a", "hada_w2_a"),
        detects="hada_w1_a",
        cost=1.15,
        most_rank=32,
        most_conv_rank=16,
        gui=("LyCORIS/LoHa",),
    )

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
        """w2a is zero, unless a learned scalar is."""
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
        return self._whole(self.hada_w1_a, *self._factors()[1:])

    @override
    def factors(self) -> tuple[Tensor, Tensor] | None:
        if self.rank**2 >= min(self.shape.out, self.shape.into * self.shape.area):
            return None
        one, two, downs = self.hada_w1_a, self.hada_w2_a, (self.hada_w1_b, self.hada_w2_b)
        if self.hada_t1 is not None and self.hada_t2 is not None:
            cores = zip((self.hada_t1, self.hada_t2), downs, strict=True)
            downs = tuple(torch.einsum("ij...,jr->ir...", core, down).flatten(1) for core, down in cores)
        else:
            one, two = one.T, two.T
        return khatri_rao(one, two).T * self.factor, khatri_rao(*downs)

    @property
    def work(self) -> int:
        """Multiplications for each position of two products of inner size r²."""
        inner, width = self.rank**2, self.shape.into * self.shape.area
        if self.tucker:
            return inner * (self.shape.into + self.shape.out + inner * self.shape.area)
        return inner * (width + self.shape.out)

    @property
    def dense(self) -> int:
        """Multiplications for each position of a product with ΔW."""
        return self.shape.into * self.shape.area * self.shape.out

    @property
    def factored(self) -> bool:
        """Whether two products of inner size r² cost less than a product with ΔW."""
        return self.work < self.dense

    @override
    def apply_to(self, layer: Layer, x: Tensor) -> Tensor:
        # beside W + ΔW a step needs the product for the gradient of ΔW, and ΔW itself;
        # beside factors each of theirs thrice
        if exact(layer, x):
            steps = positions(self.shape, x)
            if self.dense * (steps + 8 * self.rank + ENTRY) < 3 * steps * self.work:
                return merged(self.shape, layer, x, self._whole, *self._factors())
        if self.tucker or not self.factored:
            return super().apply_to(layer, x)
        one, two = self.scaled(self.hada_w1_a), self.hada_w2_a
        return low_rank(self.shape, layer, x, self._down(), khatri_rao(one.T.contiguous(), two.T.contiguous()).T)

    def _factors(self) -> tuple[Tensor, ...]:
        pairs = (self.scaled(self.hada_w1_a), self.hada_w1_b, self.hada_w2_a, self.hada_w2_b)
        return pairs if self.hada_t1 is None or self.hada_t2 is None else (*pairs, self.hada_t1, self.hada_t2)

    def _whole(self, a: Tensor, b: Tensor, c: Tensor, d: Tensor, *cores: Tensor) -> Tensor:
        if cores:
            form = "ij...,ip,jr->pr..."
            return torch.einsum(form, cores[0], a, b) * torch.einsum(form, cores[1], c, d)
        return ((a @ b) * (c @ d)).reshape(self.shape.weight)

    def _rows(self, rows: slice) -> Tensor:
        one, two = self.hada_w1_a, self.hada_w2_a
        if self.hada_t1 is not None and self.hada_t2 is not None:
            return self._whole(one[:, rows], self.hada_w1_b, two[:, rows], self.hada_w2_b, self.hada_t1, self.hada_t2)
        return (one[rows] @ self.hada_w1_b) * (two[rows] @ self.hada_w2_b)

    def _down(self) -> Tensor:
        return khatri_rao(self.hada_w1_b, self.hada_w2_b).reshape(-1, self.shape.into, *self.shape.kernel)

    @override
    def bare_forward(self, x: Tensor) -> Tensor:
        if not self.factored:
            return self.shape.apply(x, self.bare_delta())
        if self.hada_t1 is not None and self.hada_t2 is not None:
            up = khatri_rao(self.hada_w1_a, self.hada_w2_a).T
            down = khatri_rao(self.hada_w1_b, self.hada_w2_b)
            rank, kernel = self.rank, self.shape.kernel
            core = torch.einsum("ij...,pq...->ipjq...", self.hada_t1, self.hada_t2).reshape(rank**2, rank**2, *kernel)
            return self.shape.point(self.shape.apply(self.shape.point(x, down), core), up)
        up = khatri_rao(self.hada_w1_a.T, self.hada_w2_a.T).T
        return self.shape.point(self.shape.apply(x, self._down()), up)

    @override
    @torch.no_grad()
    def norm(self) -> Tensor:
        if self.tucker or not self.factored:
            return self.norm_by_rows(self._rows)
        up = khatri_rao(self.hada_w1_a.T, self.hada_w2_a.T)
        down = khatri_rao(self.hada_w1_b, self.hada_w2_b)
        return ((up @ up.T) * (down @ down.T)).sum().clamp(min=0).sqrt() * abs(self.factor)

    @override
    def bare_tensors(self) -> dict[str, Tensor]:
        pairs = {f"hada_{n}": getattr(self, f"hada_{n}") for n in ("w1_a", "w1_b", "w2_a", "w2_b")}
        if self.hada_t1 is not None and self.hada_t2 is not None:
            pairs |= {"hada_t1": self.hada_t1, "hada_t2": self.hada_t2}
        return pairs
