"""The samplers of rectified flow: diffusers' schedulers from σ = 1 down, moved by a shift."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from curate.diffusion.library_logging import quiet

if TYPE_CHECKING:  # the names of samplers are options, whose help loads no torch
    import torch
    from torch import Tensor

KINDS: Mapping[str, str] = {"euler": "FlowMatchEulerDiscreteScheduler", "heun": "FlowMatchHeunDiscreteScheduler"}
"""The samplers that go along a straight line, without noise of their own."""


class FlowSampler:
    """A scheduler with the methods that diffusion's have; its times are σ in float32, from 1 to above 0."""

    init_noise_sigma = 1.0

    def __init__(self, sampler: str, shift: float, config: Mapping[str, Any]) -> None:
        """`config` is the base's scheduler's: what it says of the end of the line is kept."""
        import diffusers.schedulers as schedulers
        import torch

        euler = sampler == "euler"
        further = {"shift_terminal": config.get("shift_terminal")} if euler else {}
        with quiet():
            self._scheduler: Any = getattr(schedulers, KINDS[sampler])(shift=shift, **further)
        self._euler, self._at = euler, 0
        self.timesteps = torch.zeros(0)

    def set_timesteps(self, steps: int, device: torch.device) -> None:
        """Spreads the steps evenly before the shift, the last ending at 0."""
        if self._euler:
            sigmas = [1 - n / steps for n in range(steps)]
            self._scheduler.set_timesteps(sigmas=sigmas, device=device)
        else:
            self._scheduler.set_timesteps(steps, device=device)
        self.timesteps: Tensor = self._scheduler.timesteps.float() / self._scheduler.config.num_train_timesteps
        self._at = 0

    def scale_model_input(self, latents: Tensor, time: Tensor) -> Tensor:
        """The latents as they are."""
        return latents

    def step(self, output: Tensor, time: Tensor, latents: Tensor, return_dict: bool = False) -> tuple[Tensor]:
        """The latents one step nearer to the picture."""
        theirs = self._scheduler.timesteps[self._at]
        self._at += 1
        return self._scheduler.step(output, theirs, latents, return_dict=return_dict)
