"""Optimizers over a network's adapters: parameter groups, arguments, and errors of a step."""

from __future__ import annotations

import ast
import contextlib
from collections.abc import Generator
from typing import Any

import torch

from curate.errors import CurateError, InputError
from curate.train.loop import optimizer_catalogue
from curate.train.network import plan
from curate.train.network.network import Network
from curate.train.options import TrainOptions, resolve


def groups(network: Network, options: TrainOptions) -> list[dict[str, Any]]:
    """Parameter groups by learning rate; `base_lr` is what the schedule multiplies."""
    by_rate: dict[float, list[torch.nn.Parameter]] = {}
    for name, adapter in network.adapters.items():
        by_rate.setdefault(plan.rate(options, network.layer_names[name]), []).extend(adapter.parameters())
    highest = max(by_rate, default=0.0)
    if resolve.adaptive(options):
        # one distance is estimated for all groups, and the first group's rate is read for all
        return [
            {"params": parameters, "lr": highest, "base_lr": highest, "share": rate / highest}
            for rate, parameters in by_rate.items()
        ]
    return [{"params": parameters, "lr": rate, "base_lr": rate} for rate, parameters in by_rate.items()]


def build(network: Network, options: TrainOptions) -> torch.optim.Optimizer:
    """The optimizer that the options name, over the network's adapters.

    Raises InputError for wrong arguments and MissingError where it is not installed.
    """
    optimizer = _made(options, groups(network, options))
    if any(group.get("share", 1.0) != 1.0 for group in optimizer.param_groups):
        _share_steps(optimizer)
    return optimizer


def check(options: TrainOptions) -> None:
    """Raises what `build` would raise for these options, without a network."""
    if optimizer_catalogue.is_plain(options.optimizer) and not options.optimizer_args:
        # nothing can be wrong, and making one would load PyTorch's compiler
        return
    _made(options, [{"params": [torch.nn.Parameter(torch.zeros(1))], "lr": resolve.learning_rate(options)}])


def _made(options: TrainOptions, parameters: list[dict[str, Any]]) -> torch.optim.Optimizer:
    common: dict[str, Any] = {"lr": resolve.learning_rate(options), "weight_decay": options.weight_decay}
    return optimizer_catalogue.make(options.optimizer, parameters, common, arguments(options))


def _share_steps(optimizer: torch.optim.Optimizer) -> None:
    """Makes each group go only its `share` of a step.

    Prodigy and D-Adaptation read one rate for all groups; prodigyopt and dadaptation refuse two. So what a group's own
    rate would do to its step is done to the step.
    """
    before: list[tuple[torch.nn.Parameter, float, torch.Tensor]] = []

    def remember(*_: Any) -> None:
        for group in optimizer.param_groups:
            if group["share"] != 1.0:
                before.extend((p, group["share"], p.detach().clone()) for p in group["params"] if p.grad is not None)

    def shorten(*_: Any) -> None:
        with torch.no_grad():
            for parameter, share, start in before:
                parameter.copy_(start.lerp_(parameter, share))
        before.clear()

    optimizer.register_step_pre_hook(remember)
    optimizer.register_step_post_hook(shorten)


@contextlib.contextmanager
def step_errors(options: TrainOptions) -> Generator[None]:
    """Names an optimizer by dotted path that fails in its step. Raises CurateError."""
    try:
        yield
    except torch.OutOfMemoryError:
        raise
    except (TypeError, ValueError, RuntimeError, AttributeError, LookupError, AssertionError) as error:
        if options.optimizer in optimizer_catalogue.KNOWN:
            raise
        raise CurateError(
            f"optimizer {options.optimizer} failed in its step: {error}",
            "take one that `curate train --help` lists, or other optimizer_args",
        ) from error


@contextlib.contextmanager
def averaged(optimizer: torch.optim.Optimizer) -> Generator[None]:
    """The weights to save, sample with and validate: schedule-free optimizers step on others than they have learned.

    The weights stepped on come back bit by bit, so that looking changes no later step.
    """
    chosen: Any = optimizer
    if not callable(getattr(chosen, "eval", None)):
        yield
        return
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    kept = [p.detach().clone() for p in parameters]
    chosen.eval()
    try:
        yield
    finally:
        chosen.train()
        with torch.no_grad():
            for parameter, value in zip(parameters, kept, strict=True):
                parameter.copy_(value)


def arguments(options: TrainOptions) -> dict[str, Any]:
    """`optimizer_args` as values: numbers, True, False, None, and tuples where commas stand. Raises InputError."""
    found: dict[str, Any] = {}
    for line in options.optimizer_args:
        name, equals, text = line.partition("=")
        if not equals or not name.strip().isidentifier():
            raise InputError(f"optimizer_args: {line!r} is not name=value", "as in betas=0.9,0.99")
        try:
            found[name.strip()] = ast.literal_eval(text.strip())
        except (ValueError, SyntaxError) as error:
            wanted = "a number, True, False, None, several with commas, or a word in quotes"
            raise InputError(
                f"optimizer_args: {text.strip()!r} in {line!r} is not a value", f"give {wanted}"
            ) from error
    return found
