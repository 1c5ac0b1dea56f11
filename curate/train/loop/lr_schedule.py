"""Learning-rate schedules; a rate is a function of the step, so that nothing of it needs saving."""

from __future__ import annotations

import math

import torch

from curate.train.options import TrainOptions, resolve


def factor(options: TrainOptions, step: int, steps: int) -> float:
    """What the learning rate is multiplied with at a step counted from 0."""
    warm, schedule = resolve.warmup_steps(options, steps), resolve.schedule(options)
    if step < warm:
        return (step + 1) / (warm + 1)
    share = (step - warm) / max(1, steps - warm)
    if schedule == "cosine":
        return 0.5 * (1 + math.cos(math.pi * share))
    if schedule == "cosine-restarts":
        return 0.5 * (1 + math.cos(math.pi * (share * options.cycles % 1)))
    if schedule == "polynomial":
        return (1 - share) ** options.power
    return 1 - share if schedule == "linear" else 1.0


def set_rate(optimizer: torch.optim.Optimizer, multiplier: float) -> float:
    """Sets every group's rate for a step; returns the highest."""
    for group in optimizer.param_groups:
        group["lr"] = group["base_lr"] * multiplier
    return max(float(group["lr"]) for group in optimizer.param_groups)
