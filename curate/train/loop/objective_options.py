"""What is learned: the noise schedule, noise and loss that options and base model make."""

from __future__ import annotations

from curate.diffusion.base import Backbone
from curate.errors import InputError
from curate.train.data.job import zero_terminal
from curate.train.loop import objective
from curate.train.options import TrainOptions


def noise_schedule(options: TrainOptions, backbone: Backbone) -> objective.Schedule:
    """The base model's noise schedule, as the options correct it. Raises InputError for ztsnr without v-prediction."""
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
    prediction = backbone.prediction if options.prediction == "auto" else options.prediction
    ztsnr = zero_terminal(options, backbone)
    if ztsnr and prediction == "epsilon":
        raise InputError(
            "ztsnr needs v-prediction, and the base predicts epsilon", "set prediction: v if the base does"
        )
    if options.scale_v and prediction == "epsilon":
        raise InputError("scale_v has no effect: the base predicts epsilon")
    if options.v_like and prediction == "v":
        raise InputError("v_like has no effect: the base predicts v")
    return objective.Schedule(objective.zero_terminal(alphas) if ztsnr else alphas, prediction)


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
