"""Targets, weights, losses and noise against the formulas worked out in plain Python."""

from __future__ import annotations

import math

import pytest
import torch

from curate.train.loop.objective import (
    Distance,
    Noise,
    Prediction,
    Schedule,
    Weighting,
    draw_noise,
    sample_losses,
    scaled_linear_alphas,
    weights,
    zero_terminal,
)


def plain_alphas() -> list[float]:
    out, product = [], 1.0
    for i in range(1000):
        root = 0.00085**0.5 + (0.012**0.5 - 0.00085**0.5) * i / 999
        product *= 1 - root * root
        out.append(product)
    return out


TIMES = torch.tensor([0, 1, 250, 500, 998, 999])


def schedule(prediction: Prediction, ztsnr: bool = False) -> Schedule:
    alphas = scaled_linear_alphas()
    return Schedule(zero_terminal(alphas) if ztsnr else alphas, prediction)


def test_alphas() -> None:
    assert scaled_linear_alphas().tolist() == pytest.approx(plain_alphas(), rel=1e-9)
    diffusers = pytest.importorskip("diffusers")
    theirs = diffusers.DDPMScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear")
    torch.testing.assert_close(scaled_linear_alphas().float(), theirs.alphas_cumprod, rtol=1e-4, atol=1e-7)


def test_zero_terminal() -> None:
    plain, fixed = scaled_linear_alphas(), zero_terminal(scaled_linear_alphas())
    assert float(fixed[-1]) == 0 and float(fixed[0]) == pytest.approx(float(plain[0]))
    assert (fixed.diff() < 0).all()
    diffusers = pytest.importorskip("diffusers")
    theirs = diffusers.DDPMScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", rescale_betas_zero_snr=True
    )
    torch.testing.assert_close(fixed.float()[:-1], theirs.alphas_cumprod[:-1], rtol=2e-3, atol=1e-7)


def test_noisy_and_targets_recover_each_other() -> None:
    latents, noise = torch.randn(6, 4, 3, 3), torch.randn(6, 4, 3, 3)
    for ztsnr in (False, True):
        eps, v = schedule("epsilon", ztsnr), schedule("v", ztsnr)
        noisy = eps.noisy(latents, noise, TIMES)
        for i, t in enumerate(TIMES.tolist()):
            a = float(eps.alphas[t])
            torch.testing.assert_close(noisy[i], math.sqrt(a) * latents[i] + math.sqrt(1 - a) * noise[i])
            # x and v give back the noise: ε = √ᾱ·v + √(1−ᾱ)·x_t
            back = math.sqrt(a) * v.target(latents, noise, TIMES)[i] + math.sqrt(1 - a) * noisy[i]
            torch.testing.assert_close(back, noise[i], rtol=1e-4, atol=1e-5)
        assert eps.target(latents, noise, TIMES) is noise


def snr_of(t: int) -> float:
    a = plain_alphas()[t]
    return a / (1 - a)


@pytest.mark.parametrize(
    ("how", "eps", "v"),
    [
        (Weighting(), lambda s: 1, lambda s: 1),
        (Weighting(min_snr=5), lambda s: min(s, 5) / s, lambda s: min(s, 5) / (s + 1)),
        (Weighting(debiased=True), lambda s: 1 / math.sqrt(min(s, 1000)), lambda s: 1 / (min(s, 1000) + 1)),
        (Weighting(p2=1.5), lambda s: (1 + s) ** -1.5, lambda s: (2 + s) ** -1.5),
        (Weighting(scale_v=True), lambda s: 1, lambda s: min(s, 1000) / (min(s, 1000) + 1)),
        (Weighting(v_like=0.5), lambda s: 1 + 0.5 / (min(s, 1000) / (min(s, 1000) + 1)), lambda s: 1),
        (
            Weighting(min_snr=1, debiased=True),
            lambda s: min(s, 1) / s / math.sqrt(min(s, 1000)),
            lambda s: min(s, 1) / (s + 1) / (min(s, 1000) + 1),
        ),
    ],
)
def test_weights(how: Weighting, eps: object, v: object) -> None:
    for prediction, formula in (("epsilon", eps), ("v", v)):
        found = weights(how, schedule(prediction), TIMES)  # type: ignore[arg-type]
        expected = [formula(snr_of(t)) for t in TIMES.tolist()]  # type: ignore[operator]
        assert found.dtype == torch.float32
        assert found.tolist() == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize(
    "how", [Weighting(), Weighting(min_snr=5), Weighting(debiased=True), Weighting(scale_v=True), Weighting(p2=1)]
)
def test_weights_with_zero_terminal_snr_are_finite_and_count_the_last_step(how: Weighting) -> None:
    found = weights(how, schedule("v", ztsnr=True), torch.arange(1000))
    assert torch.isfinite(found).all() and (found > 0).all()
    assert float(found[-1]) >= 0.3


def test_losses() -> None:
    prediction, target = torch.randn(6, 4, 2, 2), torch.randn(6, 4, 2, 2)
    s = schedule("epsilon")
    d = (prediction - target).double()
    l2 = Distance().of(prediction, target)
    torch.testing.assert_close(l2.double(), d**2)
    for kind, outer in (("huber", True), ("smooth-l1", False)):
        for how in ("constant", "exponential", "snr"):
            distance = Distance(kind, 0.2, how)  # type: ignore[arg-type]
            c = distance.threshold(s, TIMES)
            for i, t in enumerate(TIMES.tolist()):
                sigma = math.sqrt((1 - plain_alphas()[t]) / plain_alphas()[t])
                wanted = {"constant": 0.2, "exponential": 0.2 ** (t / 1000), "snr": 0.8 / (1 + sigma) ** 2 + 0.2}[how]
                assert float(c[i]) == pytest.approx(wanted, rel=1e-4)
                expected = 2 * (wanted if outer else 1) * ((d[i] ** 2 + wanted**2).sqrt() - wanted)
                torch.testing.assert_close(
                    distance.of(prediction, target, c)[i].double(), expected, rtol=1e-3, atol=1e-5
                )


def test_sample_losses_weigh_and_mask() -> None:
    loss = torch.arange(16.0).reshape(2, 2, 2, 2)
    assert sample_losses(loss, torch.tensor([1.0, 2.0])).tolist() == [3.5, 23.0]
    mask = torch.tensor([[[[1.0, 0.0], [0.0, 0.0]]], [[[0.5, 0.5], [0.5, 0.5]]]])
    assert sample_losses(loss, torch.ones(2), mask).tolist() == [(0 + 4) / 8, 11.5 / 2]


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(3)


def test_noise_offset_and_ip() -> None:
    latent = torch.ones(4, 8, 8) * torch.tensor([0.0, 1.0, -2.0, 3.0])[:, None, None]
    plain, given = draw_noise(latent, Noise(), generator())
    assert plain is given
    offset, _ = draw_noise(latent, Noise(offset=0.1), generator())
    shift = (offset - plain).flatten(1)
    assert (shift.std(1) < 1e-6).all() and (shift.mean(1).abs() > 1e-4).all()
    adaptive, _ = draw_noise(latent, Noise(offset=0.1, adaptive=0.2), generator())
    ratio = (adaptive - plain).mean((1, 2)) / (offset - plain).mean((1, 2))
    assert ratio.tolist() == pytest.approx([1.0, 3.0, 5.0, 7.0], rel=1e-3)
    target, noisy = draw_noise(latent, Noise(ip=0.1), generator())
    assert torch.equal(target, plain) and float((noisy - target).std()) == pytest.approx(0.1, rel=0.2)
    random, _ = draw_noise(latent, Noise(offset=0.1, random_strength=True), generator())
    assert not torch.equal(random, offset)


def test_multires_noise_is_coarser_and_of_deviation_one() -> None:
    latent = torch.zeros(4, 32, 32)
    plain, _ = draw_noise(latent, Noise(), generator())
    pyramid, _ = draw_noise(latent, Noise(multires_steps=8, multires_discount=0.8), generator())
    assert float(pyramid.std()) == pytest.approx(1.0, rel=1e-4)

    def blocks(noise: torch.Tensor) -> float:
        return float(torch.nn.functional.avg_pool2d(noise, 8).std())

    assert blocks(pyramid) > 2 * blocks(plain)
