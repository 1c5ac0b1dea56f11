"""A frozen layer and what is added to it as one step of autograd: one output; only what backward needs is kept."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from curate.adapters.base import Layer, Shape
from curate.adapters.quantized_layer import QuantizedLayer

WHOLE = (torch.float32, torch.float64)
"""Dtypes in which a small change survives being added to what it changes."""


def exact(layer: Layer, x: Tensor) -> bool:
    """Whether the layer computes in a precision in which ΔW can join its weight, and holds its weight whole."""
    if isinstance(layer, QuantizedLayer):
        return False
    return layer.weight.dtype in WHOLE and x.dtype in WHOLE and not torch.is_autocast_enabled(x.device.type)


def low_rank(shape: Shape, layer: Layer, x: Tensor, down: Tensor, up: Tensor) -> Tensor:
    """layer(x) + up·down·x for down [r, in(, k, k)] and up [out, r], in autocast's precision."""
    if isinstance(layer, QuantizedLayer):
        # one step of autograd would keep the whole weight
        return layer(x) + shape.point(shape.apply(x, down), up)
    if shape.kernel:
        return joined(_Maps, shape, layer, x, down, up)
    return joined(_Rows, shape, layer, x, down, up)


def merged(shape: Shape, layer: Layer, x: Tensor, delta: Callable[..., Tensor], *factors: Tensor) -> Tensor:
    """The layer with the weight W + delta(*factors), made anew for the way back. For exact layers only."""
    return _Merged.apply(shape, delta, x, layer.weight, layer.bias, *factors)  # pyright: ignore[reportReturnType]


def positions(shape: Shape, x: Tensor) -> int:
    """How often the weight is applied to x: tokens, or pixels of the output."""
    steps = shape.stride[0] * shape.stride[1] if shape.kernel else 1
    return x.numel() // (shape.into * steps)


def joined(function: Any, shape: Shape, layer: Layer, x: Tensor, *factors: Tensor) -> Tensor:
    """A function of (shape, x, weight, bias, *factors) in autocast's precision."""
    kind = x.device.type
    weight, bias = layer.weight, layer.bias
    if torch.is_autocast_enabled(kind):
        wanted = torch.get_autocast_dtype(kind)
        x, weight, *factors = (t.to(wanted) for t in (x, weight, *factors))  # pyright: ignore[reportAssignmentType]
        bias = None if bias is None else bias.to(wanted)
    with torch.autocast(kind, enabled=False):
        return function.apply(shape, x, weight, bias, *factors)


class _Rows(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, shape: Shape, x: Tensor, weight: Tensor, bias: Tensor | None, down: Tensor, up: Tensor
    ) -> Tensor:
        rows = x.reshape(-1, shape.into)
        inner = rows @ down.T
        out = functional.linear(rows, weight, bias).addmm_(inner, up.T)
        ctx.save_for_backward(rows, weight, down, up, inner)
        return out.view(*x.shape[:-1], -1)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        rows, weight, down, up, inner = ctx.saved_tensors
        gradient = gradients[0].reshape(-1, len(up))
        _, wants_x, _, _, wants_down, wants_up = ctx.needs_input_grad
        back = gradient @ up
        to_x = (gradient @ weight).addmm_(back, down).view(*gradients[0].shape[:-1], -1) if wants_x else None
        to_down = back.T @ rows if wants_down else None
        to_up = None
        if wants_up:
            # in up's own layout, which is then not copied
            to_up = (inner.T @ gradient).T if up.stride(0) == 1 else gradient.T @ inner
        return None, to_x, None, None, to_down, to_up


class _Maps(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, shape: Shape, x: Tensor, weight: Tensor, bias: Tensor | None, down: Tensor, up: Tensor
    ) -> Tensor:
        inner = shape.apply(x, down)
        out = added(shape.apply(x, weight, bias), up, inner)
        ctx.shape = shape
        ctx.save_for_backward(x, weight, down, up, inner)
        return out

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, down, up, inner = ctx.saved_tensors
        gradient, shape = gradients[0], ctx.shape
        _, wants_x, _, _, wants_down, wants_up = ctx.needs_input_grad
        back = mixed(up.T, gradient)
        to_up = torch.bmm(gradient.flatten(2), inner.flatten(2).mT).sum(0) if wants_up else None
        to_x = to_down = None
        if shape.area == 1 and set(shape.stride) == {1}:
            to_down = torch.bmm(back.flatten(2), x.flatten(2).mT).sum(0)[..., None, None] if wants_down else None
            to_x = (
                added(ways_back(shape, gradient, x, weight, True, False)[0], down.flatten(1).T, back)
                if wants_x
                else None
            )
        else:
            to_x, to_down = ways_back(shape, back, x, down, wants_x, wants_down)
            if wants_x:
                to_x = ways_back(shape, gradient, x, weight, True, False)[0].add_(to_x)
        return None, to_x, None, None, to_down, to_up


class _Merged(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        shape: Shape,
        delta: Callable[..., Tensor],
        x: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        *factors: Tensor,
    ) -> Tensor:
        ctx.shape, ctx.delta = shape, delta
        ctx.save_for_backward(x, weight, *factors)
        return shape.apply(x, delta(*factors) + weight, bias)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, *given = ctx.saved_tensors
        wants_x, wanted = ctx.needs_input_grad[2], ctx.needs_input_grad[5:]
        factors = [t.detach().requires_grad_(w) for t, w in zip(given, wanted, strict=True)]
        with torch.enable_grad():
            delta = ctx.delta(*factors)
        whole = weight + delta.detach()
        to_x, to_weight = ways_back(ctx.shape, gradients[0], x, whole, wants_x, any(wanted))
        found = iter(
            torch.autograd.grad(delta, [f for f in factors if f.requires_grad], to_weight) if any(wanted) else ()
        )
        return None, None, to_x, None, None, *(next(found) if w else None for w in wanted)


def ways_back(
    shape: Shape, gradient: Tensor, x: Tensor, weight: Tensor, to_x: bool, to_weight: bool
) -> tuple[Any, Any]:
    """Gradients of a layer's input and weight from that of its output, where they are wanted."""
    if shape.kernel:
        wanted = [to_x, to_weight, False]
        steps = (list(shape.stride), list(shape.padding), [1, 1])
        found = torch.ops.aten.convolution_backward(gradient, x, weight, None, *steps, False, [0, 0], 1, wanted)
        return found[0], found[1]
    rows = gradient.reshape(-1, shape.out)
    return (gradient @ weight if to_x else None), (rows.T @ x.reshape(-1, shape.into) if to_weight else None)


def mixed(weight: Tensor, x: Tensor) -> Tensor:
    """A 1×1 product over the channels: weight [p, q], x [B, q, H, W]."""
    return torch.matmul(weight, x.flatten(2)).unflatten(2, x.shape[2:])


def added(out: Tensor, weight: Tensor, x: Tensor) -> Tensor:
    """out + a 1×1 product over the channels of x, in the place of out."""
    if not out.is_contiguous():
        return out.add_(mixed(weight, x))
    out.view(len(out), out.shape[1], -1).baddbmm_(weight.expand(len(x), -1, -1), x.flatten(2))
    return out
