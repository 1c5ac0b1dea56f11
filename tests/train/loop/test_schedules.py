"""Every schedule with warm-up against diffusers' and torch's own; `pytest -s` prints the table.

The warm-up differs on purpose: theirs begins with a step of rate 0, which learns nothing; ours rises from 1/(n + 1) to
the full rate at the same step n.
"""

from __future__ import annotations

from typing import Any

import pytest
import torch
from diffusers import optimization
from torch.optim.lr_scheduler import CosineAnnealingLR

from curate.train.loop import lr_schedule
from curate.train.options import TrainOptions, resolve
from curate.train.planning import advice

RATE = 1e-3
SCHEDULES: dict[str, dict[str, Any]] = {
    "constant": {},
    "constant-with-warmup": {},
    "linear": {},
    "cosine": {},
    "cosine-restarts": {"cycles": 3},
    "polynomial": {"power": 2.0},
}
CASES = [(s, w, n) for s in SCHEDULES for w in (0, 1, 10, 0.1) for n in (50, 100) if not (s == "constant" and w)]
CASES = [(s, w, n) for s, w, n in CASES if not (s == "constant-with-warmup" and not w)]


def reference(schedule: str, warm: int, steps: int) -> list[float]:
    """The rate at each step, as diffusers' schedulers set it."""
    made = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=RATE)
    name = {"cosine-restarts": "cosine_with_restarts"}.get(schedule, schedule.replace("-", "_"))
    how = SCHEDULES[schedule]
    scheduler = optimization.get_scheduler(
        name,
        made,
        num_warmup_steps=warm,
        num_training_steps=steps,
        num_cycles=how.get("cycles", 1),
        power=how.get("power", 1.0),
    )
    return rates(made, scheduler, steps)


def rates(made: Any, scheduler: Any, steps: int) -> list[float]:
    values: list[float] = []
    for step in range(steps):
        values.append(made.param_groups[0]["lr"])
        made.step()
        if step + 1 < steps:  # where the warm-up is as long as the run, diffusers' polynomial divides by 0 behind it
            scheduler.step()
    return values


def ours(schedule: str, warm: float, steps: int, **options: Any) -> tuple[list[float], int]:
    given = TrainOptions(schedule=schedule, warmup=warm, **{**SCHEDULES.get(schedule, {}), **options})  # type: ignore[arg-type]
    return [RATE * lr_schedule.factor(given, step, steps) for step in range(steps)], resolve.warmup_steps(given, steps)


@pytest.mark.parametrize(("schedule", "warm", "steps"), CASES)
def test_rates_are_those_of_diffusers(schedule: str, warm: float, steps: int) -> None:
    mine, rising = ours(schedule, warm, steps)
    theirs = reference(schedule, rising, steps)
    at = {"start": 0, "end of warm-up": rising, "middle": steps // 2, "last": steps - 1}
    row = "  ".join(f"{name} {mine[i]:.3e} / {theirs[i]:.3e}" for name, i in at.items())
    print(f"\n{schedule:<21} warm-up {rising:>3} of {steps}: {row}")
    # theirs ends polynomials at a rate of 1e-7, as a fixed number
    assert mine[rising:] == pytest.approx(theirs[rising:], abs=1.01e-7 if schedule == "polynomial" else 1e-12)
    assert mine[:rising] == pytest.approx([RATE * (i + 1) / (rising + 1) for i in range(rising)])
    assert all(0 <= a - b <= RATE / (rising + 1) + 1e-12 for a, b in zip(mine[:rising], theirs, strict=False))


@pytest.mark.parametrize("schedule", ["linear", "cosine", "cosine-restarts", "polynomial", "constant-with-warmup"])
@pytest.mark.parametrize("warm", [20, 35])
def test_a_warmup_as_long_as_the_run_rises_to_its_end(schedule: str, warm: int) -> None:
    mine, rising = ours(schedule, warm, 20)
    theirs = reference(schedule, rising, 20)
    assert mine == sorted(mine) and 0 < mine[-1] <= RATE * 20 / (warm + 1) + 1e-12
    assert all(0 <= a - b <= RATE / (warm + 1) for a, b in zip(mine, theirs, strict=True))


def test_it_is_warned_of() -> None:
    class Order:
        batches_per_epoch = steps_per_epoch = 10

    options = TrainOptions(steps=20, warmup=20)
    lines = list(advice._length(options, Order()))  # type: ignore[arg-type]  # pyright: ignore[reportPrivateUsage]
    assert any("warmup 20 is as long as the run of 20 steps" in line for line in lines)


@pytest.mark.parametrize("steps", [7, 50, 333])
def test_cosine_is_torchs_over_the_whole_run(steps: int) -> None:
    made = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=RATE)
    theirs = rates(made, CosineAnnealingLR(made, T_max=steps), steps)
    assert ours("cosine", 0, steps)[0] == pytest.approx(theirs, rel=1e-6, abs=1e-12)
