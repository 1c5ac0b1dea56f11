"""Changes of a norm layer's weight and bias."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional
from typing_extensions import override

from curate.adapters.algorithm import Algorithm
from curate.adapters.base import BareAdapter, Layer, NormLayer, Plan, Shape, copy_values


class Norm(BareAdapter):
    """w_norm and b_norm [channels], added to what a group or layer norm multiplies and adds."""

    algorithm = Algorithm(
        title="norms",
        help="norm layers",
        use="norm layers, with train_norm beside another algorithm",
        norms=True,
        tensors=("w_norm", "b_norm"),
        strength_in=("w_norm", "b_norm"),
        detects="w_norm",
    )

    def __init__(self, shape: Shape, plan: Plan) -> None:
        super().__init__(shape, plan)
        self.scale = 1.0
        self.w_norm, self.b_norm = (nn.Parameter(torch.empty(shape.out)) for _ in range(2))

    @override
    @classmethod
    def plan_of(cls, tensors: Mapping[str, Tensor]) -> Plan:
        return Plan(1, 1.0)

    @override
    def start(self, draw: torch.Generator) -> None:
        """Both are zero."""
        nn.init.zeros_(self.w_norm)
        nn.init.zeros_(self.b_norm)

    @override
    def apply_to(self, layer: Layer | NormLayer, x: Tensor) -> Tensor:
        assert isinstance(layer, NormLayer)
        # in the parameters' precision: a small change to a weight of 1 would be lost in a shorter one
        wide = self.w_norm.dtype
        weight, bias = layer.weight.to(wide) + self.w_norm, layer.bias.to(wide) + self.b_norm
        if isinstance(layer, nn.GroupNorm):
            out = functional.group_norm(x.to(wide), layer.num_groups, weight, bias, layer.eps)
        else:
            out = functional.layer_norm(x.to(wide), layer.normalized_shape, weight, bias, layer.eps)
        return out if torch.is_autocast_enabled(x.device.type) else out.to(x.dtype)

    @override
    def delta(self) -> Tensor:
        return self.w_norm[:, None]

    @override
    def tensors(self) -> dict[str, Tensor]:
        return {"w_norm": self.w_norm.detach(), "b_norm": self.b_norm.detach()}

    @override
    def load(self, tensors: Mapping[str, Tensor]) -> None:
        copy_values(self.tensors(), tensors)
