"""How fast a device is and how much memory it has free: measured in a moment, for the estimate of a run."""

from __future__ import annotations

import time
from dataclasses import dataclass

import torch

from cleaners.device import free_memory
from curate.train.options import TrainOptions, resolve


@dataclass(frozen=True)
class Pace:
    """How fast a device is: TFLOP a second of a matrix product, seconds for the smallest layer, free memory in GiB."""

    speed: float
    call: float
    available: float


ASSUMED_GPU, ASSUMED_PACE = "an RTX 4090", Pace(165.2, 5e-5, 24)
"""A GPU to estimate with where there is none: NVIDIA's figure for bf16 with fp32 sums; a call's time is a guess."""


def speed(device: torch.device, options: TrainOptions) -> float:
    """TFLOP a second of a matrix product in the run's precision, measured in a moment."""
    dtype, side = resolve.precision(options, device), 4096 if device.type == "cuda" else 512
    a = torch.ones(side, side, device=device, dtype=dtype)
    best = float("inf")
    for _ in range(4):
        begin = time.perf_counter()
        b = a @ a
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        best = min(best, time.perf_counter() - begin)
        del b
    return 2 * side**3 / best / 1e12


def call(device: torch.device) -> float:
    """Seconds that the smallest linear layer takes with its backward, measured in a moment."""
    weight, often, best = torch.eye(8, device=device).requires_grad_(), 50, float("inf")
    for _ in range(4):
        begin = time.perf_counter()
        x = torch.ones(8, 8, device=device)
        for _ in range(often):
            x = torch.nn.functional.linear(x, weight)
        x.sum().backward()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        best = min(best, (time.perf_counter() - begin) / often)
    return best


def available(device: torch.device) -> float:
    """GiB of memory that may be used on the device; on the CPU the least of what system, container and limits leave."""
    return free_memory(device) / 2**30
