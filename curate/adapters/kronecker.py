"""Products with a Kronecker product that keep only their inputs for backward, which computes the rest again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from curate.adapters.autograd import joined
from curate.adapters.base import Layer, Shape


def linear(x: Tensor, first: Tensor, second: Tensor) -> Tensor:
    """kron(first, second)·x for x [..., m·n], first [l, m], second [k, n]: [..., l·k]."""
    if torch.is_autocast_enabled(x.device.type):
        wanted = torch.get_autocast_dtype(x.device.type)
        x, first, second = x.to(wanted), first.to(wanted), second.to(wanted)
    with torch.autocast(x.device.type, enabled=False):
        return _Rows.apply(None, x, None, None, first, second)  # pyright: ignore[reportReturnType]


def beside(shape: Shape, layer: Layer, x: Tensor, first: Tensor, second: Tensor) -> Tensor:
    """layer(x) + kron(first, second)·x for a linear layer."""
    return joined(_Rows, shape, layer, x, first, second)


def late(first: Tensor, second: Tensor) -> bool:
    """Whether it is cheaper to multiply by the second factor first: it runs once for each of m or l groups."""
    (left, middle), (wide, narrow) = first.shape, second.shape
    return middle * wide * (narrow + left) <= left * narrow * (wide + middle)


class _Rows(torch.autograd.Function):
    """With or without a layer's own product. Groups stand before positions, so that every product is a large one."""

    @staticmethod
    def forward(
        ctx: Any, shape: Any, x: Tensor, weight: Tensor | None, bias: Tensor | None, first: Tensor, second: Tensor
    ) -> Tensor:
        rows = x.reshape(-1, first.shape[1] * second.shape[1])
        groups, into = grouped(rows, first.shape[1]), second.T.expand(first.shape[late(first, second)], -1, -1)
        ctx.save_for_backward(rows, weight, first, second)
        size = len(rows), len(first) * len(second)
        out = rows.new_zeros(size) if weight is None else functional.linear(rows, weight, bias)
        target = grouped(out, len(first))
        if late(first, second):
            target.add_(mix(first, torch.bmm(groups, into)))
        else:
            target.baddbmm_(mix(first, groups), into)
        return out.view(*x.shape[:-1], -1)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        rows, weight, first, second = ctx.saved_tensors
        wants_x, wants_first, wants_second = ctx.needs_input_grad[1], *ctx.needs_input_grad[4:]
        gradient = gradients[0].reshape(len(rows), -1)
        groups, out = grouped(rows, first.shape[1]), grouped(gradient, len(first))
        to_x = to_first = to_second = None
        if wants_x:
            to_x = torch.zeros_like(rows) if weight is None else gradient @ weight
        if late(first, second):
            out = out.flatten(1)
            back = mix(first.T, out.unflatten(1, (len(rows), -1)))
            if wants_first:
                to_first = out @ torch.bmm(groups, second.T.expand(len(groups), -1, -1)).flatten(1).T
            if wants_second:
                to_second = torch.bmm(back.mT, groups).sum(0)
            if to_x is not None:
                grouped(to_x, len(groups)).baddbmm_(back, second.expand(len(back), -1, -1))
        else:
            back = torch.bmm(out, second.expand(len(out), -1, -1))
            if wants_first:
                to_first = back.flatten(1) @ groups.flatten(1).T
            if wants_second:
                to_second = torch.bmm(out.mT, mix(first, groups)).sum(0)
            if to_x is not None:
                grouped(to_x, len(groups)).add_(mix(first.T, back))
        to_x = None if to_x is None else to_x.view(*gradients[0].shape[:-1], -1)
        return None, to_x, None, None, to_first, to_second


def grouped(rows: Tensor, groups: int) -> Tensor:
    """Rows [positions, groups·each] seen as [groups, positions, each]."""
    return rows.unflatten(1, (groups, -1)).transpose(0, 1)


def mix(first: Tensor, groups: Tensor) -> Tensor:
    """first [p, q] over groups [q, positions, each], as one product: [p, positions, each]."""
    return (first @ groups.flatten(1)).unflatten(1, groups.shape[1:])


Product = Callable[..., Tensor]


def lean(product: Product, *inputs: Tensor) -> Tensor:
    """Any product of tensors, of which only these are kept."""
    if not torch.is_grad_enabled():
        return product(*inputs)
    return _Lean.apply(product, *inputs)  # pyright: ignore[reportReturnType]


class _Lean(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, product: Product, *inputs: Tensor) -> Tensor:
        ctx.save_for_backward(*inputs)
        kind = inputs[0].device.type
        ctx.product, ctx.mixed = product, (kind, torch.get_autocast_dtype(kind), torch.is_autocast_enabled(kind))
        return product(*inputs)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        wanted = ctx.needs_input_grad[1:]
        inputs = [t.detach().requires_grad_(w) for t, w in zip(ctx.saved_tensors, wanted, strict=True)]
        kind, dtype, mixed = ctx.mixed
        with torch.enable_grad(), torch.autocast(kind, dtype, enabled=mixed):
            out = ctx.product(*inputs)
        found = iter(torch.autograd.grad(out, [t for t in inputs if t.requires_grad], gradients))
        return None, *(next(found) if w else None for w in wanted)
