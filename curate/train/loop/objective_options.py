"""What is learned: the noise schedule, noise and loss that options and base model make; and what does not fit it."""

from __future__ import annotations

from typing import Any

from curate.diffusion.base import Backbone
from curate.diffusion.family import Family
from curate.errors import InputError
from curate.train.data.job import zero_terminal
from curate.train.loop import objective
from curate.train.loop.flow import FlowSchedule, TimeDraw
from curate.train.options import TrainOptions, resolve
from curate.train.options.algorithms import both
from curate.train.options.objective import BY_FAMILY, DIFFUSION_ONLY, FLOW_ONLY, LIVE_TEXT_ONLY, NEEDS


def noise_schedule(options: TrainOptions, backbone: Backbone) -> objective.NoiseSchedule:
    """The base model's noise schedule, as the options correct it. Raises InputError for options that do not fit it."""
    check_family(options, backbone.family)
    if backbone.family.objective == "flow":
        return _flow(options, backbone.family)
    return _diffusion(options, backbone)


def check_family(options: TrainOptions, family: Family) -> None:
    """Raises InputError that names every option that says nothing to the family's objective or text encoders."""
    flow = family.objective == "flow"
    wrong = {name: "flow matching has no such weights, predictions or noise" for name in DIFFUSION_ONLY if flow}
    wrong |= {} if flow else dict.fromkeys(FLOW_ONLY, "it is for flow-matching models")
    if family.stored_text:
        wrong |= dict.fromkeys(LIVE_TEXT_ONLY, "its captions are encoded once, by its own rules")
    given = [name for name in wrong if _says_something(options, name)]
    if given:
        reason = "; ".join(dict.fromkeys(wrong[name] for name in given))
        guide = f" (guide {options.guide} may have set it)" if options.guide else ""
        verb = "has" if len(given) == 1 else "have"
        raise InputError(f"{both(given)} {verb} no effect on {family.title}{guide}: {reason}", "leave it out")
    for name, (needed, works) in NEEDS.items():
        if name in BY_FAMILY and _says_something(options, name) and not works(options):
            raise InputError(f"{name} has no effect without {needed}", "leave it out")
    if flow and options.loss != "l2" and options.huber_schedule == "snr":
        raise InputError(
            f"huber_schedule snr has no effect on {family.title}: flow matching has no SNR by timestep",
            "huber_schedule constant or exponential",
        )


def _says_something(options: TrainOptions, name: str) -> bool:
    """Whether an option has another value than its default."""
    value: Any = getattr(options, name)
    return value != type(options).model_fields[name].default


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
    if options.prediction == "epsilon" and backbone.prediction == "v":
        raise InputError("prediction epsilon: the base says itself that it predicts v", "leave prediction out")
    if options.ztsnr is False and backbone.ztsnr:
        raise InputError("ztsnr false: the base says itself that it was trained with it", "leave ztsnr out")
    predicts_v = "v" in (options.prediction, backbone.prediction)
    ztsnr = zero_terminal(options, backbone)
    if ztsnr and not predicts_v:
        raise InputError(
            "ztsnr needs v-prediction, and the base predicts epsilon", "set prediction: v if the base does"
        )
    if options.scale_v and not predicts_v:
        raise InputError("scale_v has no effect: the base predicts epsilon")
    if options.v_like and predicts_v:
        raise InputError("v_like has no effect: the base predicts v")
    return objective.Schedule(
        objective.zero_terminal(alphas) if ztsnr else alphas,
        "v" if predicts_v else "epsilon",
        options.min_timestep,
        options.max_timestep,
    )


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
