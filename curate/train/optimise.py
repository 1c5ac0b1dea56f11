"""Optimisers and learning-rate schedules; a rate is a function of the step, so that nothing of it needs saving."""

from __future__ import annotations

import ast
import importlib
import math
from typing import Any

import torch

from curate.errors import InputError, MissingError
from curate.train import settled
from curate.train.lion import Lion
from curate.train.network import Network
from curate.train.options import TrainOptions
from curate.train.prodigy import Prodigy


def groups(network: Network, options: TrainOptions) -> list[dict[str, Any]]:
    """Parameter groups by learning rate; `base_lr` is what the schedule multiplies."""
    by_rate: dict[float, list[torch.nn.Parameter]] = {}
    for name, adapter in network.adapters.items():
        by_rate.setdefault(settled.rate(options, network.sites[name]), []).extend(adapter.parameters())
    return [{"params": parameters, "lr": rate, "base_lr": rate} for rate, parameters in by_rate.items()]


def optimiser(network: Network, options: TrainOptions) -> torch.optim.Optimizer:
    """The optimiser that the options name. Raises InputError for wrong arguments and MissingError where it is not installed."""
    parameters = groups(network, options)
    wanted: dict[str, Any] = {"lr": options.learning_rate, "weight_decay": options.weight_decay} | arguments(options)
    kind = options.optimizer
    if kind == "adamw":
        made: Any = torch.optim.AdamW
        wanted.setdefault("fused", True)
    elif kind == "sgd":
        made = torch.optim.SGD
        wanted = {"momentum": 0.9, "nesterov": True, **wanted}
    elif kind == "adafactor":
        made = torch.optim.Adafactor
    elif kind == "lion":
        made = Lion
    elif kind == "prodigy":
        made = Prodigy
        wanted["lr"] = 1.0
        for group in parameters:
            # the rate is found, and what is given scales it: 1 unless the user says otherwise
            group["lr"] = group["base_lr"] = group["base_lr"] if _given(options) else 1.0
    else:
        made = _installed({"adamw8bit": "bitsandbytes.optim.AdamW8bit"}.get(kind, kind))
    try:
        return made(parameters, **wanted)
    except (TypeError, ValueError) as error:
        raise InputError(f"optimizer {kind} does not take these arguments: {error}") from error


def _given(options: TrainOptions) -> bool:
    return bool({"learning_rate", "unet_lr", "text_lr"} & options.model_fields_set)


def arguments(options: TrainOptions) -> dict[str, Any]:
    """`optimizer_args` as values: numbers, True, False, None, and tuples where commas stand. Raises InputError."""
    found: dict[str, Any] = {}
    for line in options.optimizer_args:
        name, equals, text = line.partition("=")
        try:
            found[name.strip()] = ast.literal_eval(text.strip())
        except (ValueError, SyntaxError) as error:
            raise InputError(f"optimizer_args: {line!r} is not name=value", "as in betas=0.9,0.99") from error
        if not equals or not name.strip().isidentifier():
            raise InputError(f"optimizer_args: {line!r} is not name=value", "as in betas=0.9,0.99")
    return found


def _installed(path: str) -> Any:
    module, _, name = path.rpartition(".")
    try:
        return getattr(importlib.import_module(module), name)
    except ImportError as error:
        raise MissingError(f"optimizer {path} is not installed: {error}", f"install {module.split('.')[0]}") from error
    except AttributeError as error:
        raise InputError(f"{module} has no optimizer {name}") from error


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
    if options.schedule == "cosine-restarts":
        return 0.5 * (1 + math.cos(math.pi * (share * options.cycles % 1)))
    if options.schedule == "polynomial":
        return (1 - share) ** options.power
    return 1 - share if options.schedule == "linear" else 1.0


def set_rate(optimiser: torch.optim.Optimizer, multiplier: float) -> float:
    """Sets every group's rate for a step; returns the first one's."""
    for group in optimiser.param_groups:
        group["lr"] = group["base_lr"] * multiplier
    return float(optimiser.param_groups[0]["lr"])
