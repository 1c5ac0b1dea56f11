"""Diag-OFT (arXiv 2306.07280): W' = R·W with R orthogonal and block-diagonal, each block a Cayley transform."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from typing_extensions import override

from curate.adapters.algorithm import Algorithm
from curate.adapters.base import Plan, Shape
from curate.adapters.lokr import factorization
from curate.adapters.weight_bound import Turning


class Oft(Turning):
    """oft_blocks [n, b, b] and, with `rescaled`, rescale [out, 1(, 1, 1)].

    The plan's rank bounds b. With a constraint c the norm of all blocks together is at most c·out; a file's alpha is c.
    """

    algorithm = Algorithm(
        title="Diag-OFT",
        order=70,
        help="changes the base model less",
        use="changes the base model less",
        options=("rank", "constraint", "rescaled", "rank_dropout"),
        rank=16,
        rank_is="the largest block",
        tensors=("oft_blocks", "rescale"),
        kernel_axes=("rescale",),
        detects="oft_blocks",
        detects_axes=3,
        cost=1.6,
        lycoris="diag_oft",
        gui=("LyCORIS/Diag-OFT",),
    )

    def __init__(self, shape: Shape, plan: Plan) -> None:
        super().__init__(shape, plan)
        self.scale = 1.0
        self.oft_blocks = nn.Parameter(torch.empty(self.blocks(shape, plan)))
        one = (1,) * (1 + len(shape.kernel))
        self.rescale_by = nn.Parameter(torch.empty(shape.out, *one)) if plan.rescaled else None

    def blocks(self, shape: Shape, plan: Plan) -> tuple[int, ...]:
        """Shape of the blocks."""
        size, number = factorization(shape.out, plan.rank)
        return number, size, size

    @override
    @classmethod
    def plan_of(cls, tensors: Mapping[str, Tensor]) -> Plan:
        constraint = float(tensors["alpha"]) if "alpha" in tensors else 0.0
        return Plan(tensors["oft_blocks"].shape[-1], 1.0, constraint=constraint, rescaled="rescale" in tensors)

    @override
    def start(self, draw: torch.Generator) -> None:
        """R is the identity."""
        nn.init.zeros_(self.oft_blocks)
        if self.rescale_by is not None:
            nn.init.ones_(self.rescale_by)

    def change(self) -> Tensor:
        """R − I of every block: 2Q·(I − Q)⁻¹ with Q antisymmetric, in the parameters' precision."""
        with torch.autocast(self.oft_blocks.device.type, enabled=False):
            skew = self.oft_blocks - self.oft_blocks.transpose(-1, -2)
            if self.plan.constraint:
                most = self.plan.constraint * self.shape.out
                # under the root, so that the gradient at zero is no 0/0
                length = (skew.square().sum() + 1e-16).sqrt()
                skew = skew * (most / length.clamp(min=most))
            eye = torch.eye(skew.shape[-1], device=skew.device, dtype=skew.dtype)
            return torch.linalg.solve(eye - skew, 2 * skew)

    @override
    def turned(self, out: Tensor) -> Tensor:
        change = self.change().to(out.dtype)
        number, size, _ = change.shape
        turned = torch.einsum("pkns,knm->pkms", out.reshape(len(out), number, size, -1), change).reshape(out.shape)
        return self.rescaled(turned, out)

    def rescaled(self, turned: Tensor, out: Tensor) -> Tensor:
        """The change after each output was also given a length."""
        if self.rescale_by is None:
            return turned
        gain = self.rescale_by.reshape(-1, 1)
        return gain.to(out.dtype) * turned + (gain - 1).to(out.dtype) * out

    @override
    def limit(self, longest: float) -> None:
        """Leaves it: what is turned keeps its length, and `constraint` bounds how far."""

    @override
    def bare_tensors(self) -> dict[str, Tensor]:
        held: dict[str, Tensor] = {"oft_blocks": self.oft_blocks}
        return held if self.rescale_by is None else {**held, "rescale": self.rescale_by}

    @override
    def tensors(self) -> dict[str, Tensor]:
        return {**{n: t.detach() for n, t in self.bare_tensors().items()}, "alpha": torch.tensor(self.plan.constraint)}

    @override
    def load(self, tensors: Mapping[str, Tensor]) -> None:
        given = float(tensors["alpha"]) if "alpha" in tensors else 0.0
        if abs(given - self.plan.constraint) > 1e-2 * given:  # half precision keeps about three digits
            raise ValueError(f"the file has constraint {given:g}, but the options ask for {self.plan.constraint:g}")
        super().load(tensors)

    @override
    def scale_of(self, tensors: Mapping[str, Tensor]) -> float:
        return 1.0

    @override
    def rescale(self, scale: float) -> None:
        return None
