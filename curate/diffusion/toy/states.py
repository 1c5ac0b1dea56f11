"""A training run that can be killed: its state on disk, and random numbers that depend on the step alone."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import torch
    from torch import nn

SEED = 15


def step_random(stage: str, step: int) -> np.random.Generator:
    """The random numbers of one step of one stage: the same after a kill."""
    return np.random.default_rng((SEED, *stage.encode(), step))


def write_state(path: Path, state: dict[str, Any]) -> None:
    """Replaces the state in one go, so that a kill leaves the old one or the new one."""
    import torch

    part = path.with_name(path.name + ".part")
    torch.save(state, part)
    part.replace(path)


def read_state(path: Path) -> dict[str, Any] | None:
    """What was last written, or None."""
    import torch

    return torch.load(path, weights_only=True, map_location="cpu") if path.exists() else None


def shuffled_rows(stage: str, count: int, batch: int, first_step: int, steps: int) -> Iterator[tuple[int, Any]]:
    """Steps with the rows of their batch: every row once per epoch, in an order of the epoch's own."""
    per_epoch = max(1, count // batch)
    order, known = np.arange(0), -1
    for step in range(first_step, steps):
        epoch, at = divmod(step, per_epoch)
        if epoch != known:
            order, known = step_random(f"{stage} order", epoch).permutation(count), epoch
        yield step, order[at * batch : (at + 1) * batch]


def rate(step: int, steps: int, warm_up: int, floor: float = 0.02) -> float:
    """The learning rate's factor: up in a line, down along a cosine to `floor`."""
    if step < warm_up:
        return (step + 1) / warm_up
    done = (step - warm_up) / max(1, steps - warm_up)
    return floor + (1 - floor) * (1 + math.cos(math.pi * done)) / 2


def new_optimizer(model: nn.Module, learning_rate: float) -> torch.optim.Optimizer:
    """SOAP: on this autoencoder it came as far as AdamW in a third of the steps and half of the time."""
    from pytorch_optimizer import SOAP

    betas, every = (0.9, 0.95), 10
    return SOAP(model.parameters(), lr=learning_rate, betas=betas, weight_decay=0.0, precondition_frequency=every)


def set_rate(optimizer: torch.optim.Optimizer, learning_rate: float) -> None:
    """Sets the learning rate of every group."""
    for group in optimizer.param_groups:
        group["lr"] = learning_rate


def channels_last(model: Any) -> Any:
    """The model laid out as convolutions on a CPU are fastest."""
    import torch

    return model.to(memory_format=torch.channels_last)
