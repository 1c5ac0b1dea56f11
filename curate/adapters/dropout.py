"""Dropout inside an adapter: an algorithm says where, the wrapper that holds it says how much."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True, slots=True)
class Drop:
    """Shares that are dropped, the rest scaled up to the same mean; with zeros nothing is drawn.

    dropout          of values
    rank_dropout     of ranks (lora) or rows of ΔW (others)
    module_dropout   chance that the adapter adds nothing; what is left is not scaled up
    """

    dropout: float = 0.0
    rank_dropout: float = 0.0
    module_dropout: float = 0.0

    def values(self, x: Tensor) -> Tensor:
        """x with single values dropped."""
        return functional.dropout(x, self.dropout) if self.dropout else x

    def ranks(self, x: Tensor, size: tuple[int, ...]) -> Tensor:
        """x with ranks or rows dropped; `size` is theirs, broadcast against x."""
        if not self.rank_dropout:
            return x
        return x * functional.dropout(torch.ones(size, device=x.device), self.rank_dropout).to(x.dtype)

    def module(self, added: Tensor) -> Tensor:
        """All that the adapter adds, or nothing."""
        if not self.module_dropout:
            return added
        # a factor instead of a branch: every adapter gets a gradient, and the GPU need not be asked
        return added * (torch.rand((), device=added.device) >= self.module_dropout)


KEEP = Drop()
"""Nothing is dropped."""
