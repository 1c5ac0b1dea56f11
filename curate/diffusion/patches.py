"""Latents as a row of tokens, each a patch of 2 × 2: what transformers without a patch embedding of their own take."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

SIDE = 2


def to_tokens(latents: Tensor) -> Tensor:
    """[batch, channels, h, w] to [batch, tokens, 4 · channels]: numbers of a token by channel, row and column."""
    return functional.pixel_unshuffle(latents, SIDE).flatten(2).transpose(1, 2)


def to_latents(tokens: Tensor, height: int, width: int) -> Tensor:
    """Back to latents of that height and width."""
    grid = tokens.transpose(1, 2).unflatten(2, (height // SIDE, width // SIDE))
    return functional.pixel_shuffle(grid, SIDE)
