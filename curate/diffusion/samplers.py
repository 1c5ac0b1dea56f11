"""The samplers by the names of kohya's scripts: diffusers' schedulers with a base's own noise schedule."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from curate.core.warning_filters import ignore_warnings
from curate.diffusion import flow_samplers
from curate.diffusion.family import Objective, Prediction
from curate.diffusion.library_logging import quiet
from curate.errors import InputError

Sampler = Literal[
    "ddim",
    "pndm",
    "lms",
    "euler",
    "euler_a",
    "heun",
    "dpm_2",
    "dpm_2_a",
    "dpmsolver",
    "dpmsolver++",
    "dpmsingle",
    "k_lms",
    "k_euler",
    "k_euler_a",
    "k_dpm_2",
    "k_dpm_2_a",
]
Spacing = Literal["normal", "karras", "exponential"]
"""How a sampler's steps are spread over the noise levels."""

NUMPY = ("__array", DeprecationWarning)
"""diffusers' schedulers hand tensors to numpy in the way of numpy 1, which it warns of."""
ZERO_TERMINAL = ("ddim", "euler", "euler_a", "dpmsolver++")
"""Samplers that can start from a timestep that holds no signal."""


@dataclass(frozen=True, slots=True)
class _Kind:
    """A scheduler of diffusers: its class, further arguments, A1111's name for it, and the spacings it has."""

    scheduler: str
    title: str
    spaced: bool = True
    arguments: Mapping[str, Any] = field(default_factory=dict[str, Any])


SAMPLERS: Mapping[str, _Kind] = {
    "ddim": _Kind("DDIMScheduler", "DDIM", False, {"clip_sample": False}),
    "pndm": _Kind("PNDMScheduler", "PLMS", False, {"skip_prk_steps": True}),
    "lms": _Kind("LMSDiscreteScheduler", "LMS"),
    "euler": _Kind("EulerDiscreteScheduler", "Euler"),
    "euler_a": _Kind("EulerAncestralDiscreteScheduler", "Euler a", False),
    "heun": _Kind("HeunDiscreteScheduler", "Heun"),
    "dpm_2": _Kind("KDPM2DiscreteScheduler", "DPM2"),
    "dpm_2_a": _Kind("KDPM2AncestralDiscreteScheduler", "DPM2 a"),
    "dpmsolver": _Kind(
        "DPMSolverMultistepScheduler",
        "DPM-Solver 2M",
        arguments={"algorithm_type": "dpmsolver", "final_sigmas_type": "sigma_min"},
    ),
    "dpmsolver++": _Kind("DPMSolverMultistepScheduler", "DPM++ 2M", arguments={"algorithm_type": "dpmsolver++"}),
    "dpmsingle": _Kind("DPMSolverSinglestepScheduler", "DPM++ 2S"),
}
"""Without `k_` in front, which changes nothing."""


def plain_name(sampler: str) -> str:
    """The name without kohya's `k_`."""
    return sampler.removeprefix("k_")


def title(sampler: str) -> str:
    """What A1111 calls a sampler."""
    return SAMPLERS[plain_name(sampler)].title


def check(sampler: str, ztsnr: bool, spacing: Spacing = "normal", objective: Objective = "diffusion") -> None:
    """Raises InputError for a sampler that cannot draw the objective or with zero terminal SNR, or lacks a spacing."""
    name = plain_name(sampler)
    if objective == "flow":
        if name not in flow_samplers.KINDS:
            able = ", ".join(flow_samplers.KINDS)
            raise InputError(f"sampler {name} cannot draw with a flow-matching model", f"choose from {able}")
        if spacing != "normal":
            raise InputError(f"spacing {spacing} has no effect: the base's shift spreads the steps", "leave it out")
        return
    if ztsnr and name not in ZERO_TERMINAL:
        raise InputError(f"sampler {name} cannot draw with ztsnr", f"choose from {', '.join(ZERO_TERMINAL)}")
    if spacing != "normal" and not SAMPLERS[name].spaced:
        able = ", ".join(other for other, kind in SAMPLERS.items() if kind.spaced)
        raise InputError(f"spacing {spacing} has no effect: sampler {name} has its own", f"choose from {able}")


def make_scheduler(
    sampler: str, config: Mapping[str, Any], prediction: Prediction, ztsnr: bool, spacing: Spacing = "normal"
) -> Any:
    """diffusers' scheduler with the base's own betas, from the scheduler's configuration of the base.

    Raises InputError as `check` does.
    """
    import diffusers.schedulers as schedulers

    check(sampler, ztsnr, spacing)
    kind = SAMPLERS[plain_name(sampler)]
    values: dict[str, Any] = {
        "beta_start": float(config.get("beta_start", 0.00085)),
        "beta_end": float(config.get("beta_end", 0.012)),
        "beta_schedule": "scaled_linear",
        "num_train_timesteps": int(config.get("num_train_timesteps", 1000)),
        "prediction_type": "v_prediction" if prediction == "v" else "epsilon",
        **kind.arguments,
    }
    if ztsnr:
        values |= {"rescale_betas_zero_snr": True, "timestep_spacing": "trailing"}
    if spacing != "normal":
        values[f"use_{spacing}_sigmas"] = True
    # the first form of dpmsolver is old, and still asked for by name
    with quiet(), ignore_warnings(".*dpmsolver", FutureWarning), ignore_warnings(*NUMPY):
        scheduler = getattr(schedulers, kind.scheduler)
        if "steps_offset" in inspect.signature(scheduler.__init__).parameters:
            # what SD and SDXL were published with
            values["steps_offset"] = 1
        return scheduler(**values)
