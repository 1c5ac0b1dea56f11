"""LoRA (arXiv 2106.09685) and LoCon, its form for convolutions: ΔW = s·up·down."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from typing_extensions import override

from curate.train.adapters._base import Adapter, Plan, Shape, kaiming


class Lora(Adapter):
    """down [r, in(, k, k)] then up [out, r]; with tucker a 1×1 down, a k×k core [r, r, k, k] and a 1×1 up."""

    algo = "lora"
    detects = "lora_down.weight"

    def __init__(self, shape: Shape, plan: Plan) -> None:
        super().__init__(shape, plan)
        self.tucker = plan.tucker and shape.spatial
        rank, one = plan.rank, (1,) * len(shape.kernel)
        self.lora_up = nn.Parameter(torch.empty(shape.out, rank, *one))
        self.lora_down = nn.Parameter(torch.empty(rank, shape.into, *(one if self.tucker else shape.kernel)))
        self.lora_mid = nn.Parameter(torch.empty(rank, rank, *shape.kernel)) if self.tucker else None

    @override
    def start(self, draw: torch.Generator) -> None:
        """Up is zero, unless a learnt scalar is."""
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
    def bare_forward(self, x: Tensor) -> Tensor:
        return self.shape.point(self.inner(x), self.lora_up.flatten(1))

    def inner(self, x: Tensor) -> Tensor:
        """The r channels between down and up."""
        if self.lora_mid is not None:
            return self.shape.apply(self.shape.point(x, self.lora_down.flatten(1)), self.lora_mid)
        return self.shape.apply(x, self.lora_down)

    @override
    def forward(self, x: Tensor) -> Tensor:
        # the scale costs r channels here, not the layer's width
        return self.shape.point(self.inner(x) * self.factor, self.lora_up.flatten(1))

    @override
    def bare_tensors(self) -> dict[str, Tensor]:
        mid = {} if self.lora_mid is None else {"lora_mid.weight": self.lora_mid}
        return {"lora_up.weight": self.lora_up, "lora_down.weight": self.lora_down, **mid}
