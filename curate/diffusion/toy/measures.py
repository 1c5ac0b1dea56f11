"""What the toy base draws, measured: is what the prompt asks for in the picture."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from curate.diffusion.samplers import make_scheduler
from curate.diffusion.toy.data import nonsense
from curate.diffusion.toy.judge import accuracy, verdicts
from curate.diffusion.toy.network import SCHEDULER, Network
from curate.diffusion.toy.states import step_random
from curate.samples.toy_world import Scene

if TYPE_CHECKING:
    from torch import Tensor, nn

STEPS = 16
GUIDANCE = 4.0
RESCALE = 0.7


def draw_latents(network: Network, prompts: list[str], seed: int, batch: int = 32) -> Tensor:
    """Scaled latents (N, 4, 12, 12) that the base draws for prompts: DDIM with rescaled guidance."""
    import torch

    parts: list[Any] = []
    with torch.no_grad():
        for start in range(0, len(prompts), batch):
            some = prompts[start : start + batch]
            states = network.states([*some, *[""] * len(some)], whole=True)
            noise = step_random(f"samples {seed}", start).standard_normal((len(some), 4, 12, 12), dtype=np.float32)
            parts.append(_denoise(network.models["unet"], states, torch.from_numpy(noise)))
    return torch.cat(parts)


def _denoise(unet: nn.Module, states: Tensor, x: Tensor) -> Tensor:
    scheduler = make_scheduler("ddim", SCHEDULER, "v", ztsnr=False)
    scheduler.set_timesteps(STEPS)
    for time in scheduler.timesteps:
        wanted, plain = unet(x.repeat(2, 1, 1, 1), time, states).sample.chunk(2)
        guided = plain + GUIDANCE * (wanted - plain)
        ratio = wanted.std(dim=(1, 2, 3), keepdim=True) / guided.std(dim=(1, 2, 3), keepdim=True)
        x = scheduler.step(guided * (1 + RESCALE * (ratio - 1)), time, x).prev_sample
    return x


def measure(network: Network, judge: nn.Module, scenes: list[Scene], seed: int = 0) -> dict[str, dict[str, float]]:
    """The judge's accuracies on samples: for their prompts, for prompts of other samples, and with random triggers."""
    draw = step_random("triggers", seed)
    prompts = [", ".join(scene.tags()) for scene in scenes]
    seen = verdicts(judge, draw_latents(network, prompts, seed))
    triggers = [nonsense(draw) for _ in range(10)]
    with_triggers = [f"{triggers[number % 10]}, {prompt}" for number, prompt in enumerate(prompts)]
    others = scenes[1:] + scenes[:1]
    return {
        "prompts": accuracy(seen, scenes),
        "shuffled prompts": accuracy(seen, others),
        "with random triggers": accuracy(verdicts(judge, draw_latents(network, with_triggers, seed)), scenes),
    }
