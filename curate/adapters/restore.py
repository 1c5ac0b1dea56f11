"""Adapters of a finished file: made again from the tensors of one layer, to be applied and not trained."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from curate.adapters.algorithm import algorithm_of
from curate.adapters.base import Adapter, Layer, NormLayer, Shape
from curate.adapters.linear import LinearAdapter
from curate.adapters.make import adapter_class, make

DORA, PEFT_DORA = "dora_scale", "lora_magnitude_vector"


class Change(nn.Module):
    """What a file makes of one layer.

    With DoRA the layer's weight is m·(W+ΔW)/‖W+ΔW‖, the lengths m along the axis that the file has them for: inputs or
    outputs. As LyCORIS and PEFT train it; the lengths do not change here, and are computed once.
    """

    def __init__(self, adapter: Adapter, layer: Layer | NormLayer, dora_scale: Tensor | None = None) -> None:
        super().__init__()
        self.adapter = adapter
        self.on_output = dora_scale is not None and dora_scale.shape[0] != 1
        gain = None if dora_scale is None else _gain(adapter, layer.weight, dora_scale)
        self.register_buffer("gain", gain, persistent=False)

    def apply_to(self, layer: Layer | NormLayer, x: Tensor) -> Tensor:
        """The changed layer's output for input x."""
        gain = self._buffers["gain"]
        axes = (-1, 1, 1) if self.adapter.shape.kernel else (-1,)
        if gain is None or not self.on_output:
            x = x if gain is None else x * gain.reshape(axes).to(x.dtype)
            return self.adapter.apply_to(layer, x)  # pyright: ignore[reportArgumentType]
        out = self.adapter.apply_to(layer, x)  # pyright: ignore[reportArgumentType]
        bias = 0 if layer.bias is None else layer.bias.reshape(axes)
        return (out - bias) * gain.reshape(axes).to(out.dtype) + bias

    def added(self, layer: Layer | NormLayer, x: Tensor, output: Tensor) -> Tensor:
        """What the change adds to the layer's own `output` for input x."""
        if self._buffers["gain"] is None and isinstance(self.adapter, LinearAdapter):
            return self.adapter.product(x)
        return self.apply_to(layer, x) - output


def restore(layer: Layer | NormLayer, tensors: Mapping[str, Tensor]) -> Change:
    """The change that a file's tensors make of a layer.

    Raises ValueError for tensors of no algorithm, of another shape than the layer's, or not finite.
    """
    values = {name: tensor for name, tensor in tensors.items() if name not in (DORA, PEFT_DORA)}
    algo = algorithm_of(values)
    if algo is None:
        raise ValueError(f"{', '.join(sorted(tensors))} belongs to no algorithm that is known")
    if odd := next((name for name, tensor in tensors.items() if not bool(tensor.isfinite().all())), ""):
        raise ValueError(f"{odd} contains values that are not finite")
    adapter = make(algo, Shape.of(layer), adapter_class(algo).plan_of(values))
    adapter.attach(layer)  # pyright: ignore[reportArgumentType]
    adapter.load(values)
    dora_scale = tensors.get(DORA)
    if dora_scale is None and PEFT_DORA in tensors:
        dora_scale = tensors[PEFT_DORA].reshape(-1, 1)
    return Change(adapter, layer, dora_scale).requires_grad_(False).eval()


@torch.no_grad()
def _gain(adapter: Adapter, weight: Tensor, dora_scale: Tensor) -> Tensor:
    """How much DoRA lengthens each input or output of W+ΔW."""
    changed = weight.detach().float() + adapter.delta().to(weight.device).reshape(weight.shape)
    along = changed if dora_scale.shape[0] != 1 else changed.transpose(0, 1)
    lengths, wanted = along.flatten(1).norm(dim=1), dora_scale.float().flatten().to(weight.device)
    if wanted.shape != lengths.shape:
        raise ValueError(f"dora_scale has {wanted.numel()} lengths, and the layer {lengths.numel()}")
    return wanted / lengths.clamp(min=1e-12)
