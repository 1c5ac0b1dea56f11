"""BOFT (arXiv 2311.06243): R is a product of butterfly factors, each block-diagonal after a permutation."""

from __future__ import annotations

import torch
from torch import Tensor
from typing_extensions import override

from curate.adapters.algorithm import Algorithm
from curate.adapters.base import Plan, Shape
from curate.adapters.diag_oft import Oft


def butterfly(dimension: int, most: int) -> tuple[int, int]:
    """(b, n): the largest even b ≤ most with b·n = dimension and n a power of two, as LyCORIS' power2factorization.

    Raises ValueError that names the smallest b where `most` is below it.
    """
    sizes = [b for b in range(2, dimension + 1, 2) if dimension % b == 0 and (dimension // b).bit_count() == 1]
    if not sizes or sizes[0] > most:
        smallest = f"{sizes[0]} is the smallest block" if sizes else "it is odd"
        raise ValueError(f"{dimension} outputs cannot be split into a butterfly of blocks up to {most}: {smallest}")
    size = max(b for b in sizes if b <= most)
    return size, dimension // size


class Boft(Oft):
    """oft_blocks [m, n, b, b]: m = log2(n) + 1 factors; factor i mixes outputs that are up to 2ⁱ·b apart."""

    algorithm = Algorithm(
        title="BOFT",
        order=71,
        help="changes the base model less",
        use="changes the base model less",
        options=("rank", "constraint", "rescaled", "rank_dropout"),
        rank=16,
        rank_is="the largest block",
        tensors=("oft_blocks", "rescale"),
        kernel_axes=("rescale",),
        detects="oft_blocks",
        detects_axes=4,
        cost=1.8,
        gui=("LyCORIS/BOFT",),
    )

    @override
    def blocks(self, shape: Shape, plan: Plan) -> tuple[int, ...]:
        size, number = butterfly(shape.out, plan.rank)
        return number.bit_length(), number, size, size

    @override
    def turned(self, out: Tensor) -> Tensor:
        changes = self.change().to(out.dtype)
        half = changes.shape[-1] // 2
        total: Tensor | None = None
        now = out
        for i, change in enumerate(changes):
            apart = 2**i * half
            groups = now.unflatten(1, (-1, 2, apart)).transpose(2, 3).reshape(len(out), *change.shape[:2], -1)
            mixed = torch.einsum("pkns,kmn->pkms", groups, change)
            step = mixed.reshape(len(out), -1, apart, 2, out.shape[2]).transpose(2, 3).reshape(out.shape)
            total = step if total is None else total + step
            now = now + step
        assert total is not None
        return self.rescaled(total, out)
