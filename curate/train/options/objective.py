"""How errors are measured and weighed, and what noise is added."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from pydantic import BaseModel, Field


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


NEEDS: dict[str, tuple[str, Callable[[ObjectiveOptions], bool]]] = {
    "huber_c": ("loss huber or smooth-l1", lambda o: o.loss != "l2"),
    "huber_schedule": ("loss huber or smooth-l1", lambda o: o.loss != "l2"),
    "noise_offset_random": ("noise_offset", lambda o: o.noise_offset > 0),
    "multires_discount": ("multires_steps", lambda o: o.multires_steps > 0),
    "ip_noise_random": ("ip_noise", lambda o: o.ip_noise > 0),
}
UNKEYED: frozenset[str] = frozenset()
