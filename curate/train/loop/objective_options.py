"""What is learned: the noise schedule, noise and loss that options and base model make; and what does not fit it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from curate.core.findings import combined
from curate.diffusion.base import Backbone
from curate.diffusion.family import Family
from curate.errors import InputError
from curate.train.data.job import zero_terminal
from curate.train.loop import objective
from curate.train.loop.flow import FlowSchedule, TimeDraw
from curate.train.options import TrainOptions, presets, resolve
from curate.train.options.no_effect import no_effect
from curate.train.options.objective import BY_FAMILY, DIFFUSION_ONLY, FLOW_ONLY, LIVE_TEXT_ONLY, NEEDS


def noise_schedule(options: TrainOptions, backbone: Backbone) -> objective.NoiseSchedule:
    """The base model's noise schedule, as the options correct it. Raises InputError for options that do not fit it."""
    check_family(options, backbone.family)
    if backbone.family.objective == "flow":
        return _flow(options, backbone.family)
    return _diffusion(options, backbone)


def check_family(options: TrainOptions, family: Family) -> None:
    """Raises InputError that names every option that says nothing to the family's objective or text encoders."""
    if found := list(_misfits(options, family)):
        raise combined(found)


def _misfits(options: TrainOptions, family: Family) -> Iterator[InputError]:
    flow, title = family.objective == "flow", family.title
    for names, reason in (
        (DIFFUSION_ONLY if flow else (), "flow matching has no such weights, predictions or noise"),
        (() if flow else FLOW_ONLY, "its noise levels are not those of flow matching"),
        (LIVE_TEXT_ONLY if family.stored_text else (), "its captions are encoded once, by its own rules"),
    ):
        given = [name for name in names if _says_something(options, name)]
        mine = [name for name in given if not presets.sets(options, name)]
        guided = [name for name in given if name not in mine]
        if mine:
            yield no_effect(mine, f" on {title}: {reason}")
        if guided:
            yield no_effect(
                guided, f" on {title}: {reason}", f"guide {options.guide} sets {{it}}: choose another guide"
            )
    for name, (needed, works) in NEEDS.items():
        wrong = (FLOW_ONLY, DIFFUSION_ONLY)[flow]
        if name in BY_FAMILY and name not in wrong and _says_something(options, name) and not works(options):
            yield no_effect([name], f" without {needed}")
    if flow and options.loss != "l2" and options.huber_schedule == "snr":
        yield InputError(
            f"huber_schedule snr has no effect on {title}: flow matching has no SNR by timestep",
            "huber_schedule constant or exponential",
        )


def _says_something(options: TrainOptions, name: str) -> bool:
    """Whether an option has another value than its default."""
    value: Any = getattr(options, name)
    return value != TrainOptions.model_fields[name].default


def _flow(options: TrainOptions, family: Family) -> FlowSchedule:
    settings = resolve.flow(options, family)
    line = family.shift_line if settings.dynamic_shift else None
    times = TimeDraw(settings.sampling, options.logit_mean, options.logit_std, options.mode_scale, settings.shift, line)
    return FlowSchedule(times, options.min_timestep / 1000, options.max_timestep / 1000)


def _diffusion(options: TrainOptions, backbone: Backbone) -> objective.Schedule:
    config = backbone.schedule
    alphas = objective.scaled_linear_alphas(
        float(config.get("beta_start", 0.00085)),
        float(config.get("beta_end", 0.012)),
        int(config.get("num_train_timesteps", 1000)),
    )
    if wrong := list(_contradictions(options, backbone)):
        raise combined(wrong)
    predicts_v = "v" in (options.prediction, backbone.prediction)
    ztsnr = zero_terminal(options, backbone)
    return objective.Schedule(
        objective.zero_terminal(alphas) if ztsnr else alphas,
        "v" if predicts_v else "epsilon",
        options.min_timestep,
        options.max_timestep,
    )


def _contradictions(options: TrainOptions, backbone: Backbone) -> Iterator[InputError]:
    """Where options and base say different things of what the base predicts."""
    if options.prediction == "epsilon" and backbone.prediction == "v":
        yield InputError("prediction epsilon: the base says itself that it predicts v", "leave prediction out")
    if options.ztsnr is False and backbone.ztsnr:
        yield InputError("ztsnr false: the base says itself that it was trained with it", "leave ztsnr out")
    predicts_v = "v" in (options.prediction, backbone.prediction)
    if zero_terminal(options, backbone) and not predicts_v:
        yield InputError(
            "ztsnr needs v-prediction, and the base predicts epsilon", "set prediction: v if the base does"
        )
    if options.scale_v and not predicts_v:
        yield no_effect(["scale_v"], ": the base predicts epsilon")
    if options.v_like and predicts_v:
        yield no_effect(["v_like"], ": the base predicts v")


def objective_of(options: TrainOptions) -> tuple[objective.Noise, objective.Weighting, objective.Distance]:
    """The objective that the options ask for."""
    noise = objective.Noise(
        offset=options.noise_offset,
        adaptive=options.adaptive_noise,
        multires_steps=options.multires_steps,
        multires_discount=options.multires_discount,
        random_strength=options.noise_offset_random,
        ip=options.ip_noise,
        ip_random=options.ip_noise_random,
    )
    weighting = objective.Weighting(options.min_snr, options.debiased, options.p2, options.v_like, options.scale_v)
    return noise, weighting, objective.Distance(options.loss, options.huber_c, options.huber_schedule)
