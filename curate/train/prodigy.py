"""Prodigy (arXiv 2306.06101): Adam that estimates the distance to the solution, and from it the rate."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from typing_extensions import override


class Prodigy(torch.optim.Optimizer):
    """Algorithm 4 of the paper, with decoupled weight decay.

    lr scales the estimate and is 1 as a rule. `d0` is the first estimate, `d_coef` multiplies each later one,
    `beta3` smooths it (√β2 without one), `growth_rate` limits how fast it grows, `safeguard_warmup` leaves
    the rate of a warm-up out of the estimate, `use_bias_correction` is Adam's.
    """

    def __init__(
        self,
        params: Any,
        lr: float = 1.0,
        betas: tuple[float, float] = (0.9, 0.999),
        beta3: float | None = None,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        decouple: bool = True,
        use_bias_correction: bool = False,
        safeguard_warmup: bool = False,
        d0: float = 1e-6,
        d_coef: float = 1.0,
        growth_rate: float = math.inf,
    ) -> None:
        defaults = {"lr": lr, "betas": betas, "beta3": beta3, "eps": eps, "weight_decay": weight_decay, "decouple": decouple}
        defaults |= {"use_bias_correction": use_bias_correction, "safeguard_warmup": safeguard_warmup, "d_coef": d_coef}
        defaults |= {"growth_rate": growth_rate, "d": d0, "d0": d0, "d_max": d0, "numerator": 0.0, "k": 0}
        super().__init__(params, defaults)

    @override
    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        # one estimate for all groups: it is kept in each, the first counts
        group = self.param_groups[0]
        first, second = group["betas"]
        beta3 = math.sqrt(second) if group["beta3"] is None else float(group["beta3"])
        d, d0, k = float(group["d"]), float(group["d0"]), int(group["k"])
        correction = math.sqrt(1 - second ** (k + 1)) / (1 - first ** (k + 1)) if group["use_bias_correction"] else 1.0
        tallest = max(float(g["lr"]) for g in self.param_groups)
        step_size = d * tallest * correction
        numerators: list[Tensor] = []
        sums: list[Tensor] = []
        for member in self.param_groups:
            rate = float(member["lr"])
            if not rate:
                continue
            for parameter in member["params"]:
                if parameter.grad is not None:
                    dot, total = self._gather(parameter, member, d, d * rate * correction, beta3)
                    numerators.append(dot * (d / d0 * (d if group["safeguard_warmup"] else d * rate * correction)))
                    sums.append(total)
        if not sums:
            return
        numerator = float(group["numerator"]) * beta3 + float(torch.stack(numerators).sum())
        denominator = float(torch.stack(sums).sum())
        if denominator == 0:
            return
        if step_size > 0:
            estimate = float(group["d_coef"]) * numerator / denominator
            if d == d0:
                d = max(d, estimate)
            group["d_max"] = max(float(group["d_max"]), estimate)
            d = min(float(group["d_max"]), d * float(group["growth_rate"]))
        for member in self.param_groups:
            member.update(numerator=numerator, d=d, d_max=group["d_max"], k=k + 1)
            self._move(member, d, correction)

    def _gather(self, parameter: Tensor, group: dict[str, Any], d: float, rate: float, beta3: float) -> tuple[Tensor, Tensor]:
        """Updates a parameter's averages; its share of the estimate's numerator and denominator."""
        gradient = parameter.grad
        assert gradient is not None
        if group["weight_decay"] and not group["decouple"]:
            gradient = gradient + group["weight_decay"] * parameter
        state = self.state[parameter]
        if not state:
            state["start"] = parameter.detach().clone()
            state["average"], state["square"], state["s"] = (torch.zeros_like(parameter) for _ in range(3))
        first, second = group["betas"]
        dot = (gradient * (state["start"] - parameter)).sum()
        state["average"].mul_(first).add_(gradient, alpha=d * (1 - first))
        state["square"].mul_(second).addcmul_(gradient, gradient, value=d * d * (1 - second))
        share = d if group["safeguard_warmup"] else rate
        state["s"].mul_(beta3).add_(gradient, alpha=d / group["d0"] * share)
        return dot, state["s"].abs().sum()

    def _move(self, group: dict[str, Any], d: float, correction: float) -> None:
        rate = d * float(group["lr"]) * correction
        for parameter in group["params"]:
            state = self.state.get(parameter)
            if not state:
                continue
            if group["weight_decay"] and group["decouple"]:
                parameter.mul_(1 - group["weight_decay"] * rate)
            parameter.addcdiv_(state["average"], state["square"].sqrt().add_(d * group["eps"]), value=-rate)
