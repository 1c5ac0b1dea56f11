"""Networks that take captions of one length alone: a batch of several lengths is given to them length by length."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from curate.diffusion.base import Conditions


def by_length(
    predict: Callable[[Tensor, Tensor, Tensor], Tensor], latents: Tensor, timesteps: Tensor, conditions: Conditions
) -> Tensor:
    """What `predict` gives for latents, times and states of one length, without padding; in the order of the batch."""
    assert conditions.mask is not None
    rows: dict[int, list[int]] = {}
    for n, length in enumerate(conditions.mask.sum(1).tolist()):
        rows.setdefault(int(length), []).append(n)
    found = [predict(latents[own], timesteps[own], conditions.context[own, :length]) for length, own in rows.items()]
    order = torch.tensor([n for own in rows.values() for n in own], device=latents.device)
    return torch.cat(found)[order.argsort()]
