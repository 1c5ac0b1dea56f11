"""(IA)³ (arXiv 2205.05638): W' = W∘(1 + w), a learned factor for each output or each input of a layer."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from typing_extensions import override

from curate.adapters.algorithm import Algorithm
from curate.adapters.base import Layer, Plan, Shape
from curate.adapters.linear import LinearAdapter
from curate.adapters.weight_bound import Bound, Turning


class _Gains(Bound):
    """A factor for each of `width` channels, along the axis of the weight that `on_input` says."""

    on_input = False

    def __init__(self, shape: Shape, plan: Plan) -> None:
        super().__init__(shape, plan)
        self.scale = 1.0
        self.gain = nn.Parameter(torch.empty(shape.into if self.on_input else shape.out))

    @override
    @classmethod
    def plan_of(cls, tensors: Mapping[str, Tensor]) -> Plan:
        return Plan(1, 1.0, on_input=bool(tensors["on_input"]))

    @override
    def start(self, draw: torch.Generator) -> None:
        """All factors are 1: w is zero."""
        nn.init.zeros_(self.gain)

    @override
    def bare_delta(self) -> Tensor:
        ones = (1,) * len(self.shape.kernel)
        return self.weight * self.gain.reshape((1, -1, *ones) if self.on_input else (-1, 1, *ones))

    @override
    def norm(self) -> Tensor:
        return self.norm_by_rows(self._rows)

    def _rows(self, rows: slice) -> Tensor:
        weight, ones = self.layer.weight[rows].to(self.gain.dtype), (1,) * len(self.shape.kernel)
        return weight * (self.gain.reshape(1, -1, *ones) if self.on_input else self.gain[rows].reshape(-1, 1, *ones))

    @override
    def bare_tensors(self) -> dict[str, Tensor]:
        return {"weight": self.gain.reshape(1, -1, 1, 1) if self.shape.kernel else self.gain}

    @override
    def tensors(self) -> dict[str, Tensor]:
        return {"weight": self.bare_tensors()["weight"].detach(), "on_input": torch.tensor(int(self.on_input))}

    @override
    def load(self, tensors: Mapping[str, Tensor]) -> None:
        if "on_input" in tensors and bool(tensors["on_input"]) != self.on_input:
            raise ValueError("the file has a different on_input")
        super().load({k: v for k, v in tensors.items() if k != "on_input"})


class Ia3(_Gains, Turning):
    """weight [dim], or [1, dim, 1, 1] for a convolution, on the outputs; `create` gives the form for inputs."""

    algorithm = Algorithm(
        title="(IA)³",
        order=60,
        help="very small files, styles",
        use="very small files, for styles",
        options=("rank_dropout", "scale_weight_norms"),
        rate=5e-3,
        rates=(5e-3, 1e-2),
        layers="ia3",
        # what stands before the inputs of these layers is an activation: there the inputs are scaled
        presets={"ia3": (".to_k", ".to_v", ".k_proj", ".v_proj", ".ff.net.2", ".mlp.fc2")},
        input_layers=(".ff.net.2", ".mlp.fc2"),
        tensors=("weight", "on_input"),
        kernel_axes=("weight",),
        strength_in=("weight",),
        detects="on_input",
        cost=1.001,
        gui=("LyCORIS/iA3",),
    )

    @override
    @classmethod
    def create(cls, shape: Shape, plan: Plan) -> LinearAdapter:
        return _InputIa3(shape, plan) if plan.on_input else cls(shape, plan)

    @override
    def turned(self, out: Tensor) -> Tensor:
        return out * self.gain[:, None].to(out.dtype)


class _InputIa3(_Gains):
    """The same on the inputs: no product with the weight beside the layer's own where that is exact."""

    algorithm = Ia3.algorithm
    on_input = True

    @override
    def apply_to(self, layer: Layer, x: Tensor) -> Tensor:
        return layer(x + self._scaled(x)) if self.exact else super().apply_to(layer, x)

    def _scaled(self, x: Tensor) -> Tensor:
        gain = self.gain.to(x.dtype)
        return x * (gain[:, None, None] if self.shape.kernel else gain)

    @override
    def bare_forward(self, x: Tensor) -> Tensor:
        return self.shape.apply(self._scaled(x), self.layer.weight)
