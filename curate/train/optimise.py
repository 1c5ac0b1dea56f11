"""Optimisers and learning-rate schedules; a rate is a function of the step, so that nothing of it needs saving."""

from __future__ import annotations

import math
from typing import Any

import torch

from curate.train import settled
from curate.train.network import Network
from curate.train.options import TrainOptions


def groups(network: Network, options: TrainOptions) -> list[dict[str, Any]]:
    """Parameter groups by learning rate; `base_lr` is what the schedule multiplies."""
    by_rate: dict[float, list[torch.nn.Parameter]] = {}
    for name, adapter in network.adapters.items():
        by_rate.setdefault(settled.rate(options, network.sites[name]), []).extend(adapter.parameters())
    return [{"params": parameters, "lr": rate, "base_lr": rate} for rate, parameters in by_rate.items()]


def optimiser(network: Network, options: TrainOptions) -> torch.optim.Optimizer:
    """AdamW in one fused kernel per group."""
    return torch.optim.AdamW(groups(network, options), lr=options.learning_rate, weight_decay=options.weight_decay, fused=True)


def warmup_steps(options: TrainOptions, steps: int) -> int:
    """Steps of rising rate; a number below 1 is a share of the run."""
    return round(options.warmup * steps) if options.warmup < 1 else round(options.warmup)


def factor(options: TrainOptions, step: int, steps: int) -> float:
    """What the learning rate is multiplied with at a step counted from 0."""
    warm = warmup_steps(options, steps)
    if step < warm:
        return (step + 1) / (warm + 1)
    share = (step - warm) / max(1, steps - warm)
    if options.schedule == "cosine":
        return 0.5 * (1 + math.cos(math.pi * share))
    return 1 - share if options.schedule == "linear" else 1.0


def set_rate(optimiser: torch.optim.Optimizer, multiplier: float) -> float:
    """Sets every group's rate for a step; returns the first one's."""
    for group in optimiser.param_groups:
        group["lr"] = group["base_lr"] * multiplier
    return float(optimiser.param_groups[0]["lr"])
