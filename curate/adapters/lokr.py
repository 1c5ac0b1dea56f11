"""LoKr (arXiv 2309.14859): ΔW = s·kron(w1, w2), applied as two small products, for convolutions too."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional
from typing_extensions import override

from curate.adapters.algorithm import Algorithm
from curate.adapters.autograd import exact, merged, mixed, positions
from curate.adapters.base import Layer, Plan, Shape, kaiming
from curate.adapters.kronecker import beside, lean, linear
from curate.adapters.linear import LinearAdapter
from curate.adapters.spectrum import KroneckerSpectrum, Spectrum

ENTRY = 60
"""What making an entry of ΔW and the gradients of its factors costs, in multiplications."""
CUT = 8
"""What a multiplication in many small products costs, four of them for one of a step, in those of a large one.

Measured with ENTRY by tests/bench/adapter_constants.py, a CPU of two cores on one thread, factors 4 and 8, linear
layers of 320 to 2560 and a 3×3 convolution of 160, 64 to 1024 positions: steps so chosen take 4.6 % longer than by
the quicker way each time (CUT 4: 0.7 %; 16: 9.5 %; always W + ΔW: 15 %; always factors: 0.7 %). So 4 would be better
there. It stays: the other way rounds otherwise, and the same run would end with other bytes.
"""


def factorization(dimension: int, factor: int) -> tuple[int, int]:
    """Splits a dimension into (m, n), m <= n, as LyCORIS does: m = factor where that divides, else the largest
    divisor pair whose sum still falls and whose m is at most factor (-1: as even as possible).
    """
    if factor > 0 and dimension % factor == 0:
        m, n = sorted((factor, dimension // factor))
        return m, n
    limit = dimension if factor < 0 else factor
    m, n = 1, dimension
    while m < n:
        larger = m + 1
        while dimension % larger:
            larger += 1
        if larger + dimension // larger > m + n or larger > limit:
            break
        m, n = larger, dimension // larger
    return min(m, n), max(m, n)


class Lokr(LinearAdapter):
    """w1 [out_l, in_m] (or two factors) and w2 [out_k, in_n(, k, k)] (or two, with tucker three)."""

    algorithm = Algorithm(
        title="LoKr",
        order=30,
        help="complex concepts",
        use="factor 4 to 8 for one complex concept; a large factor or -1 for small files",
        options=(
            "rank",
            "alpha",
            "scalar",
            "rs_lora",
            "tucker",
            "dora",
            "rank_dropout",
            "scale_weight_norms",
            "factor",
            "decompose_both",
        ),
        full_matrix=True,
        tensors=("lokr_w1", "lokr_w1_a", "lokr_w1_b", "lokr_w2", "lokr_w2_a", "lokr_w2_b", "lokr_t2"),
        kernel_axes=("lokr_w2",),
        strength_in=("lokr_w1", "lokr_w1_a"),
        rows=("lokr_w1", "lokr_w1_a"),
        detects="lokr_w1",
        cost=1.1,
        gui=("LyCORIS/LoKr",),
        recorded=("factor", "full_matrix", "decompose_both"),
    )

    def __init__(self, shape: Shape, plan: Plan) -> None:
        super().__init__(shape, plan)
        rank = plan.rank
        if plan.sides is None:
            self.out_l, self.in_m = (factorization(d, plan.factor)[0] for d in (shape.out, shape.into))
        else:
            self.out_l, self.in_m = plan.sides
        if shape.out % self.out_l or shape.into % self.in_m:
            raise ValueError(f"a first factor {self.out_l}×{self.in_m} does not divide {shape.out}×{shape.into}")
        self.out_k, self.in_n = shape.out // self.out_l, shape.into // self.in_m
        full_1 = plan.full_matrix or not plan.decompose_both or rank >= max(self.out_l, self.in_m) / 2
        full_2 = plan.full_matrix or rank >= max(self.out_k, self.in_n) / 2
        self.tucker = plan.tucker and shape.spatial and not full_2

        def make(*size: int) -> nn.Parameter:
            return nn.Parameter(torch.empty(size))

        self.lokr_w1 = make(self.out_l, self.in_m) if full_1 else None
        self.lokr_w1_a, self.lokr_w1_b = (None, None) if full_1 else (make(self.out_l, rank), make(rank, self.in_m))
        self.lokr_w2 = make(self.out_k, self.in_n, *shape.kernel) if full_2 else None
        self.lokr_w2_a = self.lokr_w2_b = self.lokr_t2 = None
        if self.tucker:
            self.lokr_t2 = make(rank, rank, *shape.kernel)
            self.lokr_w2_a, self.lokr_w2_b = make(rank, self.out_k), make(rank, self.in_n)
        elif not full_2:
            self.lokr_w2_a, self.lokr_w2_b = make(self.out_k, rank), make(rank, self.in_n * shape.area)
        self.whole = full_1 and full_2
        if self.whole:
            # there is no rank to divide by, and readers ignore alpha: 1 is one that every precision can hold
            self.rank, self.scale = 1, 1.0

    @override
    def start(self, draw: torch.Generator) -> None:
        """w2 (or its second factor) is zero, unless a learned scalar is."""
        for parameter in (self.lokr_w1, self.lokr_w1_a, self.lokr_w1_b, self.lokr_w2_a, self.lokr_t2):
            if parameter is not None:
                kaiming(parameter, draw)
        last = self.lokr_w2 if self.lokr_w2 is not None else self.lokr_w2_b
        assert last is not None
        if self.scalar is None:
            nn.init.zeros_(last)
        else:
            kaiming(last, draw)

    @override
    @classmethod
    def plan_of(cls, tensors: Mapping[str, Tensor]) -> Plan:
        both = "lokr_w1_a" in tensors
        rows, columns = ("lokr_w1_a", "lokr_w1_b") if both else ("lokr_w1", "lokr_w1")
        split = [tensors[k] for k in ("lokr_w2_b", "lokr_w1_b") if k in tensors]
        rank = len(split[0]) if split else 1
        sides = len(tensors[rows]), tensors[columns].shape[1]
        return Plan(
            rank, float(rank), sides=sides, full_matrix=not split, decompose_both=both, tucker="lokr_t2" in tensors
        )

    @override
    def scale_of(self, tensors: Mapping[str, Tensor]) -> float:
        return 1.0 if self.whole else super().scale_of(tensors)

    @override
    def rescale(self, scale: float) -> None:
        if not self.whole:
            super().rescale(scale)

    def first(self) -> Tensor:
        """w1 [out_l, in_m]."""
        if self.lokr_w1 is not None:
            return self.lokr_w1
        assert self.lokr_w1_a is not None and self.lokr_w1_b is not None
        return self.lokr_w1_a @ self.lokr_w1_b

    def second(self) -> Tensor:
        """w2 [out_k, in_n(, k, k)]."""
        if self.lokr_w2 is not None:
            return self.lokr_w2
        assert self.lokr_w2_a is not None and self.lokr_w2_b is not None
        if self.lokr_t2 is not None:
            return torch.einsum("ij...,ip,jr->pr...", self.lokr_t2, self.lokr_w2_a, self.lokr_w2_b)
        return (self.lokr_w2_a @ self.lokr_w2_b).reshape(self.out_k, self.in_n, *self.shape.kernel)

    @override
    def bare_delta(self) -> Tensor:
        return self._whole(self.first(), self.second())

    @override
    @torch.no_grad()
    def spectrum(self) -> Spectrum:
        return KroneckerSpectrum(self.first() * self.factor, self.second().flatten(1))

    @override
    @torch.no_grad()
    def norm(self) -> Tensor:
        return self.first().norm() * self.second().norm() * abs(self.factor)

    @override
    def product(self, x: Tensor) -> Tensor:
        # the scale costs least on the smallest of the factors
        return self._product(x, self.first() * self.factor)

    @override
    def bare_forward(self, x: Tensor) -> Tensor:
        return self._product(x, self.first())

    def _product(self, x: Tensor, first: Tensor) -> Tensor:
        if self.shape.kernel:
            return lean(self._convolved, x, first, self.second())
        a, b = self.lokr_w2_a, self.lokr_w2_b
        if a is not None and b is not None and self._narrow:
            return lean(self._split, x, first, a, b)
        return linear(x, first, self.second())

    @override
    def apply_to(self, layer: Layer, x: Tensor) -> Tensor:
        first, narrow = self.scaled(self.first()), self._narrow
        if exact(layer, x):
            steps, entries = positions(self.shape, x), self.shape.out * self.shape.into * self.shape.area
            if entries * (steps + ENTRY) < CUT * steps * self._work(narrow):
                return merged(self.shape, layer, x, self._whole, first, self.second())
        if self.shape.kernel or narrow:
            return super().apply_to(layer, x)
        return beside(self.shape, layer, x, first, self.second())

    @property
    def _narrow(self) -> bool:
        """Whether the second factor's own two factors cost less, one after the other, than their product."""
        parts = self.lokr_w2_a is not None and not self.shape.kernel
        return parts and self.rank * (self.in_n + self.out_k) < self.in_n * self.out_k

    def _work(self, narrow: bool) -> int:
        """Multiplications for each position."""
        second = self.rank * (self.in_n + self.out_k) if narrow else self.in_n * self.shape.area * self.out_k
        return min(self.in_m, self.out_l) * second + self.out_l * self.in_m * min(self.in_n, self.out_k)

    def _whole(self, first: Tensor, second: Tensor) -> Tensor:
        if self.shape.kernel:
            return torch.einsum("lm,knhw->lkmnhw", first, second).reshape(self.shape.weight)
        return torch.einsum("lm,kn->lkmn", first, second).reshape(self.shape.weight)

    def _split(self, x: Tensor, first: Tensor, a: Tensor, b: Tensor) -> Tensor:
        # between a and b there are the fewest values to mix
        inner = functional.linear(x.reshape(*x.shape[:-1], self.in_m, self.in_n), b)
        return functional.linear(torch.matmul(first, inner), a).flatten(-2)

    def _convolved(self, x: Tensor, first: Tensor, second: Tensor) -> Tensor:
        late = self.in_m <= self.out_l  # the convolution with w2 runs once for each of in_m or out_l groups
        batch, _, height, width = x.shape
        groups = x.reshape(batch, self.in_m, -1)
        if not late:
            groups = torch.matmul(first, groups)
        groups = groups.reshape(-1, self.in_n, height, width)
        plain = self.shape.area == 1 and set(self.shape.stride) == {1} and not any(self.shape.padding)
        inner = mixed(second.flatten(1), groups) if plain else self.shape.apply(groups, second)
        rows, columns = inner.shape[-2:]
        if late:
            inner = torch.matmul(first, inner.reshape(batch, self.in_m, -1))
        return inner.reshape(batch, self.shape.out, rows, columns)

    @override
    def bare_tensors(self) -> dict[str, Tensor]:
        names = ("lokr_w1", "lokr_w1_a", "lokr_w1_b", "lokr_w2", "lokr_w2_a", "lokr_w2_b", "lokr_t2")
        return {name: getattr(self, name) for name in names if getattr(self, name) is not None}
