"""How long and how fast: length, optimiser, rates, schedule, precision of the computation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from pydantic import BaseModel, Field

Precision = Literal["auto", "fp32", "bf16", "fp16"]
OPTIMIZERS = ("adamw", "adamw8bit", "adafactor", "lion", "prodigy", "sgd")


class RunOptions(BaseModel):
    """How long and how fast: length, optimiser, rates, schedule, precision of the computation."""

    epochs: int | None = Field(None, ge=1, description="Times through the data; default about 100 showings of each picture.")
    steps: int | None = Field(None, ge=1, description="Optimiser steps; epochs win where both are given.")
    batch: int = Field(1, ge=1, description="Pictures per forward pass.")
    accumulate: int = Field(1, ge=1, description="Forward passes per optimiser step.")
    seed: int = Field(42, ge=0, description="Seed of every random draw.")
    learning_rate: float = Field(1e-4, gt=0, description="Learning rate.")
    unet_lr: float | None = Field(None, ge=0, description="Learning rate of the UNet; default learning_rate, 0 leaves it out.")
    text_lr: float | None = Field(
        None, ge=0, description="Learning rate of the text encoder; default half of learning_rate, 0 leaves it out."
    )
    optimizer: str = Field("adamw", description=f"{', '.join(OPTIMIZERS)}, or module.Class; prodigy finds its own rate.")
    optimizer_args: tuple[str, ...] = Field(
        (), description="Further arguments of the optimiser, each as name=value: betas=0.9,0.99."
    )
    schedule: Literal["constant", "cosine", "cosine-restarts", "linear", "polynomial"] = Field(
        "cosine", description="How the rate falls over the run."
    )
    cycles: int = Field(1, ge=1, description="cosine-restarts: how often the rate starts anew.")
    power: float = Field(1.0, gt=0, description="polynomial: the exponent.")
    warmup: float = Field(0, ge=0, description="Steps of rising rate at the start; below 1 a share of the run.")
    weight_decay: float = Field(0.01, ge=0, description="Decoupled weight decay.")
    max_grad_norm: float = Field(1.0, ge=0, description="Gradients are scaled down to this norm; 0 leaves them.")
    precision: Precision = Field("auto", description="Of the computation: auto is fp32 on a CPU and bf16 on a GPU.")
    gradient_checkpointing: bool = Field(False, description="Less memory for a fifth to a third more time; same result.")


NEEDS: dict[str, tuple[str, Callable[[RunOptions], bool]]] = {
    "cycles": ("schedule cosine-restarts", lambda o: o.schedule == "cosine-restarts"),
    "power": ("schedule polynomial", lambda o: o.schedule == "polynomial"),
}
UNKEYED = frozenset(("gradient_checkpointing",))
