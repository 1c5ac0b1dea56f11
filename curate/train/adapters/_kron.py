"""Products with a Kronecker product that keep only their inputs for the way back: what lies between is computed again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional


def linear(x: Tensor, first: Tensor, second: Tensor) -> Tensor:
    """kron(first, second)·x for x [..., m·n], first [l, m], second [k, n]: [..., l·k]."""
    groups = x.reshape(-1, first.shape[1], second.shape[1])
    if torch.is_autocast_enabled(x.device.type):
        wanted = torch.get_autocast_dtype(x.device.type)
        groups, first, second = groups.to(wanted), first.to(wanted), second.to(wanted)
    with torch.autocast(x.device.type, enabled=False):
        out: Tensor = _Linear.apply(groups, first, second)  # pyright: ignore[reportAssignmentType]
    return out.reshape(*x.shape[:-1], -1)


def late(first: Tensor, second: Tensor) -> bool:
    """Whether it is cheaper to multiply by the second factor first: it runs once for each of m or l groups."""
    (left, middle), (wide, narrow) = first.shape, second.shape
    return middle * wide * (narrow + left) <= left * narrow * (wide + middle)


class _Linear(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, first: Tensor, second: Tensor) -> Tensor:
        ctx.save_for_backward(x, first, second)
        if late(first, second):
            return torch.matmul(first, functional.linear(x, second))
        return functional.linear(torch.matmul(first, x), second)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        x, first, second = ctx.saved_tensors
        (gradient,) = gradients
        wants_x, wants_first, wants_second = ctx.needs_input_grad
        if late(first, second):
            inner = functional.linear(x, second)
            back = torch.matmul(first.T, gradient)
            to_first = torch.bmm(gradient, inner.transpose(1, 2)).sum(0) if wants_first else None
            to_second = back.reshape(-1, second.shape[0]).T @ x.reshape(-1, second.shape[1]) if wants_second else None
            return (back @ second if wants_x else None), to_first, to_second
        back = gradient @ second
        to_first = torch.bmm(back, x.transpose(1, 2)).sum(0) if wants_first else None
        to_second = None
        if wants_second:
            mixed = torch.matmul(first, x)
            to_second = gradient.reshape(-1, second.shape[0]).T @ mixed.reshape(-1, second.shape[1])
        return (torch.matmul(first.T, back) if wants_x else None), to_first, to_second


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
