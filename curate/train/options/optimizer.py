"""What moves the weights: optimizer, learning rates and their schedule."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Literal

from pydantic import BaseModel, Field, field_validator

from curate.core.registry import nearest

Schedule = Literal["constant", "constant-with-warmup", "linear", "cosine", "cosine-restarts", "polynomial"]
OPTIMIZERS = (
    *("adamw", "adamw8bit", "paged-adamw8bit", "lion8bit", "paged-lion8bit", "adafactor", "sgd", "lion"),
    *("prodigy", "dadapt-adam", "dadapt-lion", "came", "adopt", "ademamix", "stable-adamw", "schedule-free"),
    *("schedule-free-sgd", "schedule-free-radam"),
)
OWN_SCHEDULE = frozenset(("schedule-free", "schedule-free-sgd", "schedule-free-radam"))
"""Optimizers that want a constant rate: their averaging takes the place of a schedule."""

_NAMES = {
    **{"sgdnesterov": "sgd", "dadaptation": "dadapt-adam", "dadaptadampreprint": "dadapt-adam"},
    **{"schedulefreeadamw": "schedule-free", "adamwschedulefree": "schedule-free"},
    **{"sgdschedulefree": "schedule-free-sgd", "radamschedulefree": "schedule-free-radam"},
    **{name.replace("-", ""): name for name in OPTIMIZERS},
}
_SCHEDULES = {"cosine-with-restarts": "cosine-restarts"}


def _plain(name: str) -> str:
    return name.lower().replace("-", "").replace("_", "")


def finds_rate(optimizer: str) -> bool:
    """Whether an optimizer finds its own rate (Prodigy, D-Adaptation), by a name of ours or a dotted path.

    A learning rate then scales what it finds; 1 unless the user says otherwise.
    """
    return _plain(optimizer.rpartition(".")[2]).startswith(("prodigy", "dadapt"))


def relative_step(options: OptimizerOptions) -> bool:
    """Whether Adafactor sets its rate from the number of the step: `optimizer_args` says relative_step=True."""
    given = [argument.replace(" ", "").lower() for argument in options.optimizer_args]
    return options.optimizer == "adafactor" and "relative_step=true" in given


class OptimizerOptions(BaseModel):
    """What moves the weights: optimizer, learning rates and their schedule."""

    optimizer: str = Field(
        "adamw",
        description=f"{', '.join(OPTIMIZERS)}, or module.Class. Prodigy and dadapt-… are adaptive.",
    )
    optimizer_args: tuple[str, ...] = Field(
        (), description="Further arguments of the optimizer as name=value, for example betas=0.9,0.99."
    )
    learning_rate: float | None = Field(
        None,
        gt=0,
        description=(
            "Learning rate. Default: 1e-4. For adaptive optimizers (Prodigy, D-Adaptation) it is a "
            "multiplier; default 1."
        ),
    )
    unet_lr: float | None = Field(
        None, ge=0, description="Learning rate of the UNet. Default: learning_rate. 0 does not train it."
    )
    text_lr: float | None = Field(
        None,
        ge=0,
        description="Learning rate of the text encoder. Default: half of learning_rate. 0 does not train it.",
    )
    schedule: Schedule | None = Field(
        None,
        description="How the learning rate changes over the run. Default: cosine; constant for "
        "schedule-free optimizers.",
    )
    warmup: float | None = Field(
        None,
        ge=0,
        description=(
            "Number of warm-up steps, or a fraction of all steps if below 1. Default: 0; 0.05 with "
            "constant-with-warmup."
        ),
    )
    cycles: int = Field(1, ge=1, description="Number of cycles of cosine-restarts.")
    power: float = Field(1.0, gt=0, description="Exponent of the polynomial schedule.")
    stop_text_after: float = Field(
        0,
        ge=0,
        description=(
            "Stop training the text encoder after this many steps, or a fraction of all steps if "
            "below 1; 0: never stop."
        ),
    )
    weight_decay: float = Field(0.01, ge=0, description="Decoupled weight decay.")
    max_grad_norm: float = Field(1.0, ge=0, description="Clip gradients to this norm; 0: off.")

    @field_validator("optimizer", mode="before")
    @classmethod
    def _optimizer_by_any_name(cls, value: Any) -> Any:
        """Other programs write AdamW8bit, DAdaptAdam, SGDNesterov."""
        return _NAMES.get(_plain(value)) or value if isinstance(value, str) else value

    @field_validator("schedule", mode="before")
    @classmethod
    def _schedule_by_any_name(cls, value: Any) -> Any:
        """Other programs write cosine_with_restarts, constant_with_warmup."""
        named = value.replace("_", "-") if isinstance(value, str) else value
        return _SCHEDULES.get(named, named)

    @field_validator("optimizer", mode="after")
    @classmethod
    def _known_optimizer(cls, value: str) -> str:
        if value not in OPTIMIZERS and "." not in value:
            raise ValueError(f'unknown optimizer "{value}": {nearest(value, OPTIMIZERS)} (or give module.Class)')
        return value


def _own_schedule(options: OptimizerOptions) -> Iterator[str]:
    if options.optimizer in OWN_SCHEDULE and options.schedule not in (None, "constant", "constant-with-warmup"):
        yield f"optimizer {options.optimizer} needs a constant learning rate: leave schedule out, or set it to constant"


def _no_warmup(options: OptimizerOptions) -> Iterator[str]:
    if options.schedule == "constant-with-warmup" and options.warmup == 0:
        yield "schedule constant-with-warmup with warmup 0 is constant: give one of them"


def _own_rate(options: OptimizerOptions) -> Iterator[str]:
    if relative_step(options):
        rates = (options.learning_rate, options.unet_lr or None, options.text_lr or None)
        set_here = (*rates, options.schedule, options.warmup)
        if any(value is not None for value in set_here):
            yield (
                "adafactor with relative_step=True sets its own rate: leave out learning rates, schedule and "
                "warmup, or give relative_step=False"
            )


def _no_rate(options: OptimizerOptions) -> Iterator[str]:
    if options.unet_lr == 0 and options.text_lr == 0:
        yield "unet_lr and text_lr are both 0: nothing would be trained"


CONFLICTS = (_own_schedule, _no_warmup, _own_rate, _no_rate)
"""What does not go together, a sentence each."""


def _trains_both(o: OptimizerOptions) -> bool:
    layers: str = getattr(o, "layer_preset", "")
    return o.text_lr != 0 and o.unet_lr != 0 and not layers.startswith("unet")


NEEDS: dict[str, tuple[str, Callable[[OptimizerOptions], bool]]] = {
    "stop_text_after": ("training text encoder and UNet", _trains_both),
    "cycles": ("schedule cosine-restarts", lambda o: o.schedule == "cosine-restarts"),
    "power": ("schedule polynomial", lambda o: o.schedule == "polynomial"),
}
UNKEYED: frozenset[str] = frozenset()
