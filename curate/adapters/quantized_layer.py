"""A frozen layer whose weight is stored in another form or place and made whole for each product, forward and backward.

whole  as it was; only for weights that are kept in another place
bf16   bfloat16
fp8    float8 e4m3 with a scale for each output
int8   whole numbers with a scale for each output
nf4    bitsandbytes' NormalFloat of 4 bits (arXiv 2305.14314) with a scale for 64 numbers
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, Self

import torch
from torch import Tensor, nn
from torch.nn.grad import conv2d_input
from typing_extensions import override

from curate.errors import MissingError

Storage = Literal["whole", "bf16", "fp8", "int8", "nf4"]
Fetch = Callable[["QuantizedLayer"], tuple[Tensor, Tensor]]
"""Gives the stored numbers and the scales of a layer on the device that computes."""
BYTES: dict[Storage, float] = {"bf16": 2, "fp8": 1, "int8": 1, "nf4": 0.5 + 4 / 64}
"""Bytes per number; the scales for each output are a fraction of a percent."""
_LARGEST = {"fp8": 448.0, "int8": 127.0}


class QuantizedLayer(nn.Module):
    """What the linear layer and the convolution share.

    stored   the weight's numbers as bytes, so that a change of the model's dtype leaves them as they are
    scales   float32 as bytes: [out], for nf4 one for 64 numbers, for bf16 none
    whole    dtype of the weight where one is asked for
    given    its dtype before
    fetch    where it is kept in another place, what brings it from there; else None
    """

    stored: Tensor
    scales: Tensor
    storage: Storage
    shape: torch.Size
    whole: torch.dtype
    given: torch.dtype
    fetch: Fetch | None

    @classmethod
    def of(cls, layer: nn.Module, storage: Storage) -> Self:
        """Turns a layer into one of this class, in its place: everything but the weight stays.

        Raises MissingError for nf4 without bitsandbytes.
        """
        weight: Tensor = layer.weight  # pyright: ignore[reportAssignmentType]
        stored, scales = _quantized(weight.detach(), storage)
        del layer._parameters["weight"]
        layer.__class__ = cls
        made: Any = layer
        made.storage, made.shape, made.whole, made.given, made.fetch = (
            storage,
            weight.shape,
            weight.dtype,
            weight.dtype,
            None,
        )
        made.register_buffer("stored", stored)
        made.register_buffer("scales", scales)
        return made

    @property
    def weight(self) -> Tensor:
        """The whole weight, made anew."""
        return self.dense(self.whole)

    def dense(self, dtype: torch.dtype) -> Tensor:
        """The whole weight in a dtype."""
        stored, scales = self.fetch(self) if self.fetch else (self.stored, self.scales)
        if self.storage == "whole":
            return stored.view(self.given).view(self.shape).to(dtype)
        return _dense(stored, scales, self.storage, self.shape, dtype)

    def keep(self, stored: Tensor, scales: Tensor, fetch: Fetch) -> None:
        """Keeps the weight in another place: a change of the model's device leaves it there."""
        del self.stored, self.scales
        self.stored, self.scales, self.fetch = stored, scales, fetch

    def operate(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """The layer's operation with a weight."""
        raise NotImplementedError

    def way_back(self, gradient: Tensor, weight: Tensor, shape: torch.Size) -> Tensor:
        """The gradient of an input of that shape from that of the output."""
        raise NotImplementedError

    @override
    def forward(self, input: Tensor) -> Tensor:
        x, kind = input, input.device.type
        bias: Tensor | None = self.bias  # pyright: ignore[reportAssignmentType]
        if torch.is_autocast_enabled(kind):
            x = x.to(torch.get_autocast_dtype(kind))
        bias = None if bias is None else bias.to(x.dtype)
        with torch.autocast(kind, enabled=False):
            return _Product.apply(x, bias, self)  # pyright: ignore[reportReturnType]

    @override
    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        result = super()._apply(fn, recurse)
        # what a change of dtype makes of a number is the dtype of the model
        self.whole = fn(torch.empty(0, dtype=self.whole)).dtype
        return result


class QuantizedLinear(QuantizedLayer, nn.Linear):  # pyright: ignore[reportIncompatibleVariableOverride]
    """A linear layer."""

    @override
    def operate(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        return nn.functional.linear(x, weight, bias)

    @override
    def way_back(self, gradient: Tensor, weight: Tensor, shape: torch.Size) -> Tensor:
        return gradient @ weight


class QuantizedConv2d(QuantizedLayer, nn.Conv2d):  # pyright: ignore[reportIncompatibleVariableOverride]
    """A convolution."""

    @override
    def operate(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        return self._conv_forward(x, weight, bias)

    @override
    def way_back(self, gradient: Tensor, weight: Tensor, shape: torch.Size) -> Tensor:
        how: Any = (self.stride, self.padding, self.dilation, self.groups)
        return conv2d_input(list(shape), weight, gradient, *how)


class _Product(torch.autograd.Function):
    """The layer's operation; only the stored numbers are kept for the way back."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, bias: Tensor | None, layer: QuantizedLayer) -> Tensor:
        ctx.layer, ctx.shape = layer, x.shape
        return layer.operate(x, layer.dense(x.dtype), bias)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (gradient,) = gradients
        layer: QuantizedLayer = ctx.layer
        return layer.way_back(gradient, layer.dense(gradient.dtype), ctx.shape), None, None


CLASSES: dict[type[nn.Module], type[QuantizedLayer]] = {nn.Linear: QuantizedLinear, nn.Conv2d: QuantizedConv2d}
"""The layers that can be stored small: these classes, and those made of them that compute the same."""


def _quantized(weight: Tensor, storage: Storage) -> tuple[Tensor, Tensor]:
    """The numbers and their scales, both as bytes."""
    none = torch.empty(0, dtype=torch.uint8, device=weight.device)
    if storage == "whole":
        return weight.contiguous().view(torch.uint8), none
    if storage == "bf16":
        return weight.to(torch.bfloat16).contiguous().view(torch.uint8), none
    rows = weight.float().flatten(1)
    if storage == "nf4":
        packed, state = _bitsandbytes().quantize_4bit(rows.contiguous(), blocksize=64, quant_type="nf4")
        return packed.view(torch.uint8), state.absmax.float().contiguous().view(torch.uint8)
    scales = rows.abs().amax(1).clamp(min=1e-12) / _LARGEST[storage]
    scaled = rows / scales[:, None]
    made = scaled.round().to(torch.int8) if storage == "int8" else scaled.to(torch.float8_e4m3fn)
    return made.view(torch.uint8), scales.view(torch.uint8)


def _dense(stored: Tensor, scales: Tensor, storage: Storage, shape: torch.Size, dtype: torch.dtype) -> Tensor:
    if storage == "bf16":
        return stored.view(torch.bfloat16).view(shape).to(dtype)
    factors = scales.view(torch.float32)
    if storage == "nf4":
        functional = _bitsandbytes()
        state = functional.QuantState(
            factors,
            shape=torch.Size((shape[0], shape[1:].numel())),
            code=functional.get_4bit_type("nf4", device=stored.device),
            blocksize=64,
            quant_type="nf4",
            dtype=dtype,
        )
        return functional.dequantize_4bit(stored, state).view(shape)
    numbers = stored.view(torch.int8 if storage == "int8" else torch.float8_e4m3fn)
    # the factor joins in float32: in bfloat16 its rounding would be that of all numbers of the row
    return (numbers.float() * factors[:, None]).to(dtype).view(shape)


def _bitsandbytes() -> Any:
    try:
        from bitsandbytes import functional
    except ImportError as error:
        raise MissingError(
            "base_precision nf4 needs bitsandbytes", "pip install 'curate[8bit]', or base_precision int8"
        ) from error
    return functional
