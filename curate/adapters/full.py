"""Native fine-tuning: ΔW itself, and the bias' change."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from typing_extensions import override

from curate.adapters.algorithm import Algorithm
from curate.adapters.base import Layer, Plan, Shape
from curate.adapters.weight_bound import Bound


class Full(Bound):
    """diff [out, in(, k, k)] and diff_b [out] where the layer has a bias.

    With a float32 base both weights make one product. In half precision they stay apart: most of a small ΔW
    would be lost in the rounding of W + ΔW.
    """

    algorithm = Algorithm(
        title="full weights",
        order=80,
        help="trains all weights; best if file size does not matter",
        use="trains all weights; best if file size does not matter",
        options=("rank_dropout", "scale_weight_norms"),
        rate=1e-6,
        rates=(5e-7, 5e-6),
        tensors=("diff", "diff_b"),
        kernel_axes=("diff",),
        strength_in=("diff",),
        rows=("diff", "diff_b"),
        detects="diff",
        cost=1.35,
        lycoris="native",
        gui=("LyCORIS/Native Fine-Tuning",),
    )

    def __init__(self, shape: Shape, plan: Plan) -> None:
        super().__init__(shape, plan)
        self.scale = 1.0
        self.diff = nn.Parameter(torch.empty(shape.weight))
        self.diff_b: nn.Parameter | None = None

    @override
    def attach(self, layer: Layer) -> None:
        super().attach(layer)
        if layer.bias is not None:
            self.diff_b = nn.Parameter(torch.empty(self.shape.out))

    @override
    @classmethod
    def plan_of(cls, tensors: Mapping[str, Tensor]) -> Plan:
        return Plan(1, 1.0)

    @override
    def start(self, draw: torch.Generator) -> None:
        """Everything is zero."""
        for parameter in self.parameters():
            nn.init.zeros_(parameter)

    @override
    def apply_to(self, layer: Layer, x: Tensor) -> Tensor:
        if not self.exact:
            return super().apply_to(layer, x)
        bias = None if layer.bias is None or self.diff_b is None else layer.bias + self.diff_b
        return self.shape.apply(x, layer.weight + self.diff, bias)

    @override
    def bare_delta(self) -> Tensor:
        return self.diff

    @override
    def bare_forward(self, x: Tensor) -> Tensor:
        return self.shape.apply(x, self.diff, self.diff_b)

    @override
    def bare_tensors(self) -> dict[str, Tensor]:
        held: dict[str, Tensor] = {"diff": self.diff}
        return held if self.diff_b is None else {**held, "diff_b": self.diff_b}

    @override
    def tensors(self) -> dict[str, Tensor]:
        return {name: tensor.detach() for name, tensor in self.bare_tensors().items()}
