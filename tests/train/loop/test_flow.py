"""Rectified flow: noisy latents, targets and draws of σ against the formulas and against their distributions."""

from __future__ import annotations

import math

import pytest
import torch

from curate.train.loop.flow import FlowSchedule, TimeDraw, shifted
from curate.train.loop.objective import Distance, Weighting

COUNT = 4000


def drawn(times: TimeDraw, width: int = 1024, height: int = 1024) -> torch.Tensor:
    generator = torch.Generator().manual_seed(3)
    return torch.stack([times.of(generator, width, height) for _ in range(COUNT)])


def test_the_line_from_latents_to_noise() -> None:
    latents, noise = torch.randn(3, 16, 4, 6), torch.randn(3, 16, 4, 6)
    schedule, sigma = FlowSchedule(TimeDraw()), torch.tensor([0.0, 0.25, 1.0])
    noisy = schedule.noisy(latents, noise, sigma)
    torch.testing.assert_close(noisy[0], latents[0])
    torch.testing.assert_close(noisy[1], 0.75 * latents[1] + 0.25 * noise[1])
    torch.testing.assert_close(noisy[2], noise[2])
    # from any place on the line the target leads back to the latents and on to the noise
    target = schedule.target(latents, noise, sigma)
    torch.testing.assert_close(noisy[1] - 0.25 * target[1], latents[1])
    torch.testing.assert_close(noisy[1] + 0.75 * target[1], noise[1])


def test_uniform_and_mode_stay_between_0_and_1() -> None:
    uniform = drawn(TimeDraw("uniform"))
    assert float(uniform.mean()) == pytest.approx(0.5, abs=0.02)
    assert float(uniform.std()) == pytest.approx(12**-0.5, abs=0.01)
    for scale in (-1.0, 0.0, 1.29, 1.75):
        mode = drawn(TimeDraw("mode", scale=scale))
        assert float(mode.min()) >= 0 and float(mode.max()) <= 1
    middle = ((drawn(TimeDraw("mode")) - 0.5).abs() < 0.25).float().mean()
    assert float(middle) > 0.55  # uniform has 0.5 of them there


@pytest.mark.parametrize(("mean", "deviation"), [(0.0, 1.0), (-0.7, 0.5)])
def test_logit_normal_is_normal_before_the_sigmoid(mean: float, deviation: float) -> None:
    logits = torch.logit(drawn(TimeDraw(mean=mean, deviation=deviation)))
    assert float(logits.mean()) == pytest.approx(mean, abs=0.06)
    assert float(logits.std()) == pytest.approx(deviation, rel=0.06)


def test_a_shift_moves_the_logit_by_its_logarithm() -> None:
    plain, moved = drawn(TimeDraw()), drawn(TimeDraw(shift=3.0))
    torch.testing.assert_close(torch.logit(moved), torch.logit(plain) + math.log(3), rtol=1e-3, atol=1e-3)
    assert float(shifted(torch.tensor(0.5), 3.0)) == 0.75


@pytest.mark.parametrize(
    ("line", "values"),
    [
        ((256.0, 0.5, 4096.0, 1.15), {512: 1.88, 768: 2.33, 1024: 3.16, 1328: 5.07, 1536: 7.51}),
        ((256.0, 0.5, 6400.0, 1.15), {512: 1.79, 768: 2.05, 1024: 2.48, 1328: 3.33, 1536: 4.25}),
        ((256.0, 0.5, 8192.0, 0.9), {512: 1.71, 768: 1.83, 1024: 2.00, 1328: 2.30, 1536: 2.59}),
    ],
)
def test_dynamic_shifts_are_the_published_ones(
    line: tuple[float, float, float, float], values: dict[int, float]
) -> None:
    for side, expected in values.items():
        assert TimeDraw(line=line).strength(side, side) == pytest.approx(expected, abs=0.006)


def test_a_range_of_times_and_those_of_validation() -> None:
    schedule = FlowSchedule(TimeDraw("uniform"), 0.2, 0.6)
    generator = torch.Generator().manual_seed(0)
    found = torch.stack([schedule.draw(generator, 64, 64) for _ in range(500)])
    assert 0.2 <= float(found.min()) < 0.22 and 0.58 < float(found.max()) <= 0.6
    torch.testing.assert_close(FlowSchedule(TimeDraw()).spread(4), torch.tensor([0.125, 0.375, 0.625, 0.875]))
    assert found.dtype == torch.float32


def test_weights_and_thresholds() -> None:
    schedule, times = FlowSchedule(TimeDraw()), torch.tensor([0.0, 0.5, 1.0])
    assert schedule.weights(Weighting(), times).tolist() == [1, 1, 1]
    torch.testing.assert_close(schedule.threshold(Distance("huber", 0.1, "constant"), times), torch.full((3,), 0.1))
    falling = schedule.threshold(Distance("huber", 0.1, "exponential"), times)
    torch.testing.assert_close(falling, torch.tensor([1.0, 0.1**0.5, 0.1]))
