"""Every sampler denoises with the base's betas, and says what it cannot do."""

from __future__ import annotations

import pytest
import torch

from curate.diffusion import samplers
from curate.errors import InputError

# diffusers' schedulers hand tensors to numpy in the way of numpy 1
pytestmark = [
    pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:__array_wrap__ must accept:DeprecationWarning"),
]


@pytest.mark.parametrize("name", sorted({*samplers.SAMPLERS, "k_lms", "k_dpm_2_a"}))
def test_every_sampler_denoises(name: str) -> None:
    """With the true noise as prediction, each sampler arrives at the picture that the noise was put on."""
    made = samplers.make_scheduler(name, {}, "epsilon", ztsnr=False)
    draw = torch.Generator().manual_seed(0)
    clean = torch.randn(1, 4, 8, 8, generator=draw)
    made.set_timesteps(12)
    latents = torch.randn(1, 4, 8, 8, generator=draw) * made.init_noise_sigma
    alphas = made.alphas_cumprod
    for time in made.timesteps:
        given = made.scale_model_input(latents, time)
        low = int(time)
        alpha = alphas[low] + (alphas[min(low + 1, 999)] - alphas[low]) * (float(time) - low)
        noise = (given - alpha.sqrt() * clean) / (1 - alpha).sqrt()
        accepted = {"generator": draw} if "generator" in made.step.__code__.co_varnames else {}
        latents = made.step(noise, time, latents, **accepted).prev_sample
    assert float((latents - clean).abs().mean()) < 0.1


def test_zero_terminal_samplers_alone_draw_with_it() -> None:
    made = samplers.make_scheduler("euler_a", {}, "v", ztsnr=True)
    made.set_timesteps(4)
    assert int(made.timesteps[0]) == 999 and made.config["prediction_type"] == "v_prediction"
    with pytest.raises(InputError, match="lms cannot draw with ztsnr"):
        samplers.make_scheduler("k_lms", {}, "v", ztsnr=True)


def test_spacings_are_the_samplers_own() -> None:
    karras = samplers.make_scheduler("dpmsolver++", {}, "epsilon", False, "karras")
    assert karras.config["use_karras_sigmas"] and not karras.config["use_exponential_sigmas"]
    with pytest.raises(InputError, match="spacing karras has no effect: sampler euler_a has its own"):
        samplers.check("k_euler_a", False, "karras")
