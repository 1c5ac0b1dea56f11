"""DyLoRA (arXiv 2210.07558): a LoRA of which each step trains a few ranks as the last of a shorter one."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from typing_extensions import override

from curate.adapters.algorithm import Algorithm
from curate.adapters.base import Plan, Shape, kaiming
from curate.adapters.dropout import KEEP, Drop
from curate.adapters.linear import LinearAdapter


class Dylora(LinearAdapter):
    """`unit` ranks at a time: those before are used as they are, those behind are not, at the scale alpha/ranks used.

    That is the paper's frozen form with its scale; a file holds the whole as a plain LoRA.
    """

    algorithm = Algorithm(
        title="DyLoRA",
        order=40,
        help="finds its rank; slow",
        use="finds the best rank: rank 128, alpha 64, batch 1 with accumulation; slow",
        options=("rank", "alpha", "dylora_unit", "scale_weight_norms"),
        rank=128,
        alpha="half",
        stores_as="lora",
        switching=True,
        cost=1.02,
        trainer="networks.dylora",
        gui=("Kohya DyLoRA", "LyCORIS/DyLoRA"),
    )

    def __init__(self, shape: Shape, plan: Plan) -> None:
        super().__init__(shape, plan)
        if plan.rank % plan.unit:
            raise ValueError(f"rank {plan.rank} is not a multiple of dylora_unit {plan.unit}")
        count, one = plan.rank // plan.unit, (1,) * len(shape.kernel)
        # apart, so that an optimiser leaves alone what has no gradient in a step
        self.ups = nn.ParameterList(torch.empty(shape.out, plan.unit, *one) for _ in range(count))
        self.downs = nn.ParameterList(torch.empty(plan.unit, shape.into, *shape.kernel) for _ in range(count))

    @property
    @override
    def is_random(self) -> bool:
        return True

    @override
    @classmethod
    def plan_of(cls, tensors: Mapping[str, Tensor]) -> Plan:
        rank = len(tensors["lora_down.weight"])
        return Plan(rank, float(rank))

    @override
    def start(self, draw: torch.Generator) -> None:
        """Every up is zero; downs are spread as those of a whole LoRA."""
        for up, down in zip(self.ups, self.downs, strict=True):
            nn.init.zeros_(up)
            kaiming(down, draw)

    def _whole(self) -> tuple[Tensor, Tensor]:
        return torch.cat(list(self.ups), dim=1), torch.cat(list(self.downs))

    @override
    def forward(self, x: Tensor) -> Tensor:
        return self.dropped(x, KEEP) if self.training else self.product(x)

    @override
    def dropped(self, x: Tensor, drop: Drop) -> Tensor:
        """The product of some ranks, with values dropped between down and up."""
        # drawn on the CPU: what is used changes shapes
        last = int(torch.randint(len(self.ups), ()))
        up = torch.cat([*(u.detach() for u in self.ups[:last]), self.ups[last]], dim=1)
        down = torch.cat([*(d.detach() for d in self.downs[:last]), self.downs[last]])
        inner = self.shape.apply(x, down) * (self.scale * len(self.ups) / (last + 1))
        return self.shape.point(drop.values(inner), up.flatten(1))

    @override
    def bare_delta(self) -> Tensor:
        up, down = self._whole()
        return (up.flatten(1) @ down.flatten(1)).reshape(self.shape.weight)

    @override
    def factors(self) -> tuple[Tensor, Tensor]:
        up, down = self._whole()
        return up.flatten(1) * self.factor, down.flatten(1)

    @override
    def bare_forward(self, x: Tensor) -> Tensor:
        up, down = self._whole()
        return self.shape.point(self.shape.apply(x, down), up.flatten(1))

    @override
    @torch.no_grad()
    def norm(self) -> Tensor:
        up, down = (part.flatten(1) for part in self._whole())
        return ((up.T @ up) * (down @ down.T)).sum().clamp(min=0).sqrt() * abs(self.factor)

    @override
    @torch.no_grad()
    def limit(self, longest: float) -> None:
        ratio = (longest / self.norm().clamp(min=longest)).sqrt()
        for parameter in self.parameters():
            parameter.mul_(ratio)

    @override
    def bare_tensors(self) -> dict[str, Tensor]:
        up, down = self._whole()
        return {"lora_up.weight": up, "lora_down.weight": down}

    @override
    @torch.no_grad()
    def load(self, tensors: Mapping[str, Tensor]) -> None:
        super().load(tensors)  # checks names and shapes, and takes the scale
        ups = tensors["lora_up.weight"].flatten(1).split(self.plan.unit, dim=1)
        for parameter, part in zip(self.ups, ups, strict=True):
            parameter.copy_(part.reshape(parameter.shape))
        for parameter, part in zip(self.downs, tensors["lora_down.weight"].split(self.plan.unit), strict=True):
            parameter.copy_(part.reshape(parameter.shape))

    @override
    @torch.no_grad()
    def rescale(self, scale: float) -> None:
        for parameter in self.ups:
            parameter.mul_(self.scale / scale)
        self.scale = scale
