"""How errors are measured and weighed, and what noise is added."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Literal

from pydantic import BaseModel, Field

from curate.diffusion.family import families

FLOW = ", ".join(found.title for found in families().values() if found.objective == "flow") or "flow models"
"""The families that options of flow matching are for."""
BY_SIZE = ", ".join(found.title for found in families().values() if found.shift_line) or "no family yet"
"""The families that were trained with a shift by the size of the picture."""


class ObjectiveOptions(BaseModel):
    """How errors are measured and weighed, and what noise is added."""

    min_timestep: int = Field(0, ge=0, le=998, description="Lowest timestep to train.")
    max_timestep: int = Field(1000, ge=1, le=1000, description="Highest timestep to train, not included.")
    loss: Literal["l2", "huber", "smooth-l1"] = Field(
        "l2", description="How errors are measured. huber and smooth-l1 give outliers less weight."
    )
    huber_c: float = Field(
        0.1, gt=0, lt=1, description="Error at which huber and smooth-l1 change from squared to linear."
    )
    huber_schedule: Literal["constant", "exponential", "snr"] = Field(
        "snr", description="How huber_c changes with the timestep."
    )
    min_snr: float = Field(0, ge=0, description="Min-SNR gamma: gives easy timesteps less weight; 5 is usual, 0: off.")
    debiased: bool = Field(False, description="Debiased estimation: weights the loss by 1/√SNR.")
    p2: float = Field(0, ge=0, description="Gamma of P2 weighting; 0: off.")
    v_like: float = Field(
        0, ge=0, description="Weight of an additional v-prediction-like loss (kohya's v_pred_like_loss; epsilon only)."
    )
    scale_v: bool = Field(
        False,
        description=("Weight a v-prediction loss like an epsilon loss (kohya's scale_v_pred_loss_like_noise_pred)."),
    )
    noise_offset: float = Field(
        0, ge=0, description="Helps to learn very bright and very dark pictures; 0.05 to 0.1 is usual, 0: off."
    )
    noise_offset_random: bool = Field(False, description="Use a random noise offset up to noise_offset.")
    adaptive_noise: float = Field(0, description="Add this multiple of the latent mean to the noise offset.")
    multires_steps: int = Field(
        0, ge=0, le=20, description="Levels of multi-resolution noise; 6 to 10 is usual, 0: off."
    )
    multires_discount: float = Field(
        0.3, gt=0, lt=1, description="Weight of each coarser noise level; 0.1 to 0.3 is usual."
    )
    ip_noise: float = Field(
        0,
        ge=0,
        description=("Input perturbation: extra noise that the model does not have to predict; 0.1 is usual, 0: off."),
    )
    ip_noise_random: bool = Field(False, description="Use a random input perturbation up to ip_noise.")
    timestep_sampling: Literal["auto", "uniform", "logit-normal", "mode"] = Field(
        "auto", description=f"How timesteps are drawn ({FLOW}); auto: as suits the family, mostly logit-normal."
    )
    logit_mean: float = Field(0.0, description="Mean of the normal draw of logit-normal.")
    logit_std: float = Field(1.0, gt=0, description="Deviation of the normal draw of logit-normal.")
    mode_scale: float = Field(1.29, ge=-1, le=1.75, description="How much mode prefers the middle timesteps.")
    flow_shift: float | None = Field(
        None,
        gt=0,
        description=f"Shift of the timesteps ({FLOW}): above 1 more of them are noisy; 1 changes nothing. "
        "Default: the family's.",
    )
    dynamic_shift: bool | None = Field(
        None,
        description=f"Shift larger pictures more ({BY_SIZE}), on the line that the family was trained with. "
        "Default: the family's.",
    )


def _timesteps(options: ObjectiveOptions) -> Iterator[str]:
    if options.min_timestep >= options.max_timestep:
        yield f"min_timestep {options.min_timestep} is not below max_timestep {options.max_timestep}"


CONFLICTS = (_timesteps,)
"""What does not go together, a sentence each."""
NEEDS: dict[str, tuple[str, Callable[[ObjectiveOptions], bool]]] = {
    "huber_c": ("loss huber or smooth-l1", lambda o: o.loss != "l2"),
    "huber_schedule": ("loss huber or smooth-l1", lambda o: o.loss != "l2"),
    "noise_offset_random": ("noise_offset", lambda o: o.noise_offset > 0),
    "multires_discount": ("multires_steps", lambda o: o.multires_steps > 0),
    "ip_noise_random": ("ip_noise", lambda o: o.ip_noise > 0),
    "logit_mean": ("timestep_sampling logit-normal", lambda o: o.timestep_sampling in ("auto", "logit-normal")),
    "logit_std": ("timestep_sampling logit-normal", lambda o: o.timestep_sampling in ("auto", "logit-normal")),
    "mode_scale": ("timestep_sampling mode", lambda o: o.timestep_sampling == "mode"),
    "flow_shift": ("dynamic_shift off", lambda o: not o.dynamic_shift),
}
DIFFUSION_ONLY = (
    *("prediction", "ztsnr", "min_snr", "debiased", "p2", "v_like", "scale_v"),
    *("multires_steps", "multires_discount"),
)
"""Options that speak of ᾱ, or of noise that flow matching does not start from."""
FLOW_ONLY = ("timestep_sampling", "logit_mean", "logit_std", "mode_scale", "flow_shift", "dynamic_shift")
"""Options that speak of σ."""
BY_FAMILY = frozenset((*DIFFUSION_ONLY, *FLOW_ONLY))
"""Options whose `NEEDS` are looked at when the base's family is known."""
LIVE_TEXT_ONLY = ("clip_skip", "max_tokens", "stop_text_after")
"""Options of text encoders that run while training."""
LATER: frozenset[str] = frozenset((*FLOW_ONLY,))
"""Options that came later: at their defaults they are no part of a run's identity."""
UNKEYED: frozenset[str] = frozenset()
