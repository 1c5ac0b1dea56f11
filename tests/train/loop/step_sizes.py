"""A LoRA on the tiny base that learns a random ΔW from noisy targets: compares optimizers without a UNet."""

from __future__ import annotations

import math
from typing import Any

import torch

from curate.diffusion.base import Backbone
from curate.train.loop import lr_schedule, optimizer
from curate.train.network.build import attach
from curate.train.options import TrainOptions


def sizes(backbone: Backbone, steps: int = 40, **given: Any) -> tuple[float, float]:
    """Frobenius norm of ΔW after so many steps, of the UNet's layers and of the text encoder's.

    The gradient reaches each layer through its ΔW, as in training: at first `up` is zero, and `down` gets no gradient.
    """
    options = TrainOptions(algo="lora", rank=4, alpha=4, layer_preset="attn-only", **given)
    network = attach(options, backbone)
    network.detach()
    draw = torch.Generator().manual_seed(0)
    targets = {name: 0.05 * torch.randn(a.shape.weight, generator=draw) for name, a in network.adapters.items()}
    steps_on = optimizer.build(network, options)
    for step in range(steps):
        lr_schedule.set_rate(steps_on, lr_schedule.factor(options, step, steps))
        steps_on.zero_grad()
        losses: list[torch.Tensor] = []
        for name, adapter in network.adapters.items():
            noise = 0.05 * torch.randn(adapter.shape.weight, generator=draw)
            losses.append(((adapter.delta() - targets[name] - noise) ** 2).mean())
        torch.stack(losses).sum().backward()
        steps_on.step()
    squares = {True: 0.0, False: 0.0}
    with optimizer.averaged(steps_on), torch.no_grad():
        for name, adapter in network.adapters.items():
            squares[network.layer_names[name].part == "unet"] += float(adapter.delta().norm() ** 2)
    return math.sqrt(squares[True]), math.sqrt(squares[False])
