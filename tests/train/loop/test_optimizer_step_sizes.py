"""How far each optimizer moves a LoRA: against AdamW, at one rate and at two, with the arguments of guides."""

from __future__ import annotations

from typing import Any

import pytest

from curate.diffusion.base import Backbone
from curate.diffusion.load import load
from curate.errors import CurateError, InputError
from curate.train.loop import optimizer
from curate.train.options import TrainOptions, resolve
from curate.train.options.optimizer import finds_rate
from tests.train.loop.step_sizes import sizes

STEPS = 15
# |ΔW| of the UNet after 15 steps at 1e-3, as a share of AdamW's. Adafactor, Lion, CAME and the schedule-free ones were
# compared with transformers, lion-pytorch, came-pytorch and schedulefree: equal to four digits.
SHARES = {
    "adafactor": 1.0,
    "lion": 1.1,
    "adopt": 0.5,
    "ademamix": 1.0,
    "stable-adamw": 0.95,
    "schedule-free": 0.5,
}


@pytest.fixture(scope="module")
def backbone() -> Backbone:
    return load("tiny", True)


@pytest.fixture(scope="module")
def adamw(backbone: Backbone) -> tuple[float, float]:
    return sizes(backbone, STEPS, unet_lr=1e-3, text_lr=1e-3, schedule="constant")


@pytest.mark.parametrize("name", SHARES)
def test_size_beside_adamw(name: str, backbone: Backbone, adamw: tuple[float, float]) -> None:
    moved = sizes(backbone, STEPS, optimizer=name, unet_lr=1e-3, text_lr=1e-3, schedule="constant")
    for size, other in zip(moved, adamw, strict=True):
        assert size / other == pytest.approx(SHARES[name], rel=0.3)


@pytest.mark.parametrize("name", ["adamw", *SHARES, "prodigy", "dadapt-adam", "dadapt-lion"])
def test_each_part_has_its_own_rate(name: str, backbone: Backbone) -> None:
    """Case: Prodigy with a lower rate for the text encoder trained the UNet at that rate too."""
    rate = 1.0 if finds_rate(name) else 1e-3
    given: dict[str, Any] = {"optimizer": name, "schedule": "constant"}
    both = sizes(backbone, 8, unet_lr=rate, text_lr=rate, **given)
    slow_text = sizes(backbone, 8, unet_lr=rate, text_lr=rate / 10, **given)
    assert slow_text[0] == pytest.approx(both[0], rel=0.1)
    assert slow_text[1] == pytest.approx(both[1] / 10, rel=0.5)
    slow_unet = sizes(backbone, 8, unet_lr=rate / 10, text_lr=rate, **given)
    assert slow_unet[0] < both[0] / 2
    assert slow_unet[1] / slow_unet[0] > 3 * both[1] / both[0]


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("adafactor", ("scale_parameter=False", "relative_step=False", "warmup_init=False")),
        ("adafactor", ("beta1=0.9", "eps=1e-30,1e-3", "clip_threshold=1.0", "decay_rate=-0.8")),
        ("adamw", ("betas=0.9,0.99", "eps=1e-8", "amsgrad=True")),
        ("prodigy", ("decouple=True", "weight_decay=0.01", "use_bias_correction=True", "d_coef=2", "betas=0.9,0.99")),
        ("prodigy", ("safeguard_warmup=True", "d0=1e-5", "growth_rate=1.5")),
        ("dadapt-adam", ("decouple=True", "use_bias_correction=True", "d0=1e-5")),
        ("came", ("eps=1e-30,1e-16", "betas=0.9,0.999,0.9999")),
        ("lion", ("betas=0.95,0.98", "weight_decay=0.1")),
        ("sgd", ("momentum=0.95", "nesterov=False")),
        ("schedule-free", ("warmup_steps=5", "r=0.5", "weight_lr_power=2.0")),
    ],
)
def test_usual_arguments_are_taken(name: str, arguments: tuple[str, ...], backbone: Backbone) -> None:
    rate = {} if finds_rate(name) else {"learning_rate": 1e-3}
    moved = sizes(backbone, 3, optimizer=name, optimizer_args=arguments, **rate)
    assert all(size > 0 for size in moved)


def test_adafactor_may_set_its_own_rate(backbone: Backbone) -> None:
    arguments = ("scale_parameter=True", "relative_step=True", "warmup_init=True")
    options = TrainOptions(optimizer="adafactor", optimizer_args=arguments)
    assert resolve.schedule(options) == "constant"
    assert all(size > 0 for size in sizes(backbone, 3, optimizer="adafactor", optimizer_args=arguments))


@pytest.mark.parametrize("given", [{"learning_rate": 1e-3}, {"text_lr": 1e-4}, {"schedule": "cosine"}, {"warmup": 10}])
def test_a_rate_beside_adafactors_own_is_refused(given: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="sets its own rate"):
        TrainOptions(optimizer="adafactor", optimizer_args=("relative_step=True",), **given)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("banana=1",), "does not take banana"),
        (("warmup_init=True",), "requires `relative_step=True`|warmup_init"),
        (("eps=hello",), "is not a value"),
    ],
)
def test_wrong_arguments_are_told_without_a_network(arguments: tuple[str, ...], message: str) -> None:
    with pytest.raises(InputError, match=message):
        optimizer.check(TrainOptions(optimizer="adafactor", optimizer_args=arguments, learning_rate=1e-3))


def test_one_that_wants_the_loss_again_is_refused() -> None:
    with pytest.raises(InputError, match="several times a step"):
        optimizer.check(TrainOptions(optimizer="torch.optim.LBFGS"))


def test_a_failing_step_names_the_optimizer() -> None:
    options = TrainOptions(optimizer="torch.optim.SparseAdam")
    with (
        pytest.raises(CurateError, match=r"torch\.optim\.SparseAdam failed in its step: dense"),
        optimizer.step_errors(options),
    ):
        raise RuntimeError("dense gradients are not wanted")


def test_revision_rises_only_where_the_result_changed() -> None:
    """A finished LoRA of an untouched optimizer is still recalled."""
    assert resolve.revision(TrainOptions()) == resolve.revision(TrainOptions(optimizer="prodigy")) == 0
    assert resolve.revision(TrainOptions(optimizer="adafactor")) == 1
    assert resolve.revision(TrainOptions(optimizer="prodigy", unet_lr=1, text_lr=0.1)) == 1
    assert resolve.revision(TrainOptions(optimizer="prodigy", unet_lr=1, text_lr=0)) == 0
