"""How noise levels σ are drawn for rectified flow: sd-scripts' and musubi-tuner's settings, which mean more together.

`timestep_sampling` decides what the others do. With `sigma` a level is drawn by `weighting_scheme` and then shifted by
`discrete_flow_shift`; with `uniform` and `sigmoid` nothing is shifted; with `shift` a sigmoid draw is, and with
`NAME_shift` it is on a line over the picture's size; `nextdit_shift` shifts an even draw so. SD 3 has rules of its own.
"""

from __future__ import annotations

import math
from typing import Any

from curate.train.options.kohya import sd3
from curate.train.options.kohya.settings import Translation

DRAWS = {"anima": ("sigmoid", 1.0), "flux": ("sigma", 3.0), "lumina": ("shift", 6.0)}
"""What sd-scripts' trainers take for timestep_sampling and discrete_flow_shift; musubi-tuner's take `MUSUBI`."""
MUSUBI = ("sigma", 1.0)
LINES = {
    "flux_shift": (256, 0.5, 4096, 1.15),
    "nextdit_shift": (256, 0.5, 4096, 1.15),
    "flux2_shift": (256, 0.5, 4096, 1.15),
    "qwen_shift": (256, 0.5, 8192, 0.9),
    "krea2_shift": (256, 0.5, 6400, 1.15),
}
"""Lines of (tokens, μ, tokens, μ)."""
PLAIN = ("none", "uniform", "None", None)
SHAPES = ("sigmoid_scale", "logit_mean", "logit_std", "mode_scale")
LIMITS = ("min_timestep", "max_timestep")
OBJECTIVE = (
    *("v_parameterization", "zero_terminal_snr", "min_snr_gamma", "debiased_estimation_loss", "v_pred_like_loss"),
    *("scale_v_pred_loss_like_noise_pred", "noise_offset", "noise_offset_random_strength", "adaptive_noise_scale"),
    *("multires_noise_iterations", "multires_noise_discount"),
)
"""Settings that the flow trainers have, and that change nothing there: they draw plain noise and weigh nothing."""


def translate(t: Translation) -> None:
    """The draw of σ and the prediction."""
    t.idle(OBJECTIVE, "trainers of flow models draw plain noise and predict its difference to the picture")
    _prediction(t)
    kind = sd3.draw(t) if t.switch == "sd3" else f"timestep_sampling {_draw(t)}"
    t.idle(SHAPES, f"{kind} does not read it")
    buckets = "every noise level is drawn by itself here, from the same distribution"
    if t.has("num_timestep_buckets"):
        t.note("num_timestep_buckets", f"is ignored: {buckets}")
    if t.has("preserve_distribution_shape") and any(map(t.has, LIMITS)):
        t.refuse(
            "preserve_distribution_shape",
            "between min_timestep and max_timestep the whole distribution is squeezed, nothing is cut off",
        )
    else:
        t.idle(("preserve_distribution_shape",), "neither min_timestep nor max_timestep is set")


def _prediction(t: Translation) -> None:
    kind = t.take("model_prediction_type")
    if kind not in (None, "raw"):
        t.refuse("model_prediction_type", "it weighs noise levels; the prediction is always read as raw")
    elif kind is None and t.switch == "flux":
        t.result.notes.append("model_prediction_type is not set: sd-scripts takes sigma_scaled, curate raw")
    if t.has("guidance_scale"):
        t.note("guidance_scale", "is left out: a base that reads guidance is trained with the value its family needs")


def _draw(t: Translation) -> str:
    """Sets the draw; returns its name there."""
    kind, usual = MUSUBI if t.musubi else DRAWS.get(t.switch, MUSUBI)
    given = t.take("timestep_sampling")
    kind = str(given or kind)
    shift = t.number("discrete_flow_shift")
    scheme = t.take("weighting_scheme")
    if scheme in ("sigma_sqrt", "cosmap"):
        t.refuse("weighting_scheme", "every noise level has the same weight", "timestep_sampling")
    elif scheme not in PLAIN and kind != "sigma":
        t.note("weighting_scheme", f"has no effect: timestep_sampling is {kind}, and {scheme} draws with sigma alone")
    if kind == "sigma":
        _sigma(t, scheme)
    elif kind in ("uniform", "sigmoid", "shift", "logsnr", *LINES):
        _direct(t, kind)
    else:
        t.refuse("timestep_sampling", "curate draws uniform, logit-normal or mode, and shifts it", "timestep_sampling")
        return kind
    _shift(t, kind, usual if shift is None else shift, given=shift is not None)
    return kind


def _sigma(t: Translation, scheme: Any) -> None:
    """A level by its index among the scheduler's, which run from noise to picture: a draw of u is 1 − u."""
    if any(map(t.has, LIMITS)):
        t.refuse(
            next(filter(t.has, LIMITS)), "with timestep_sampling sigma it counts from the other end", "min_timestep"
        )
    if scheme == "logit_normal":
        t.put_or_default("timestep_sampling", "logit-normal", "weighting_scheme")
        mean, deviation = t.number("logit_mean"), t.number("logit_std")
        if mean is not None:
            t.put("logit_mean", -mean, "logit_mean")
        if deviation is not None:
            t.put("logit_std", deviation, "logit_std")
    elif scheme == "mode":
        t.put_or_default("timestep_sampling", "mode", "weighting_scheme")
        if (scale := t.number("mode_scale")) is not None:
            t.put("mode_scale", scale, "mode_scale")
    else:
        t.put_or_default("timestep_sampling", "uniform", "timestep_sampling")


def _direct(t: Translation, kind: str) -> None:
    """A level as it is drawn: evenly, or as the sigmoid of a normal number."""
    if kind in ("uniform", "nextdit_shift"):
        t.put_or_default("timestep_sampling", "uniform", "timestep_sampling")
        return
    t.put_or_default("timestep_sampling", "logit-normal", "timestep_sampling")
    if kind == "logsnr":  # σ = sigmoid(−λ/2) of a normal λ
        mean, deviation = t.number("logit_mean"), t.number("logit_std")
        if mean is not None:
            t.put("logit_mean", -mean / 2, "logit_mean")
        t.put_or_default("logit_std", (1.0 if deviation is None else deviation) / 2, "logit_std")
    elif (scale := t.number("sigmoid_scale")) is not None:
        t.put("logit_std", scale, "sigmoid_scale")


def _shift(t: Translation, kind: str, shift: float, *, given: bool) -> None:
    """One shift for all pictures, none, or a line over their sizes, which must be the family's."""
    name = "discrete_flow_shift"
    if kind in LINES:
        own = t.family.shift_line if t.family else None
        if own is not None and all(map(math.isclose, own, LINES[kind])):
            t.put_or_default("dynamic_shift", True, "timestep_sampling")
        else:
            reason = f"{t.family.title if t.family else 'curate'} has no such line of shifts over the sizes of pictures"
            t.refuse("timestep_sampling", reason, "timestep_sampling")
    elif kind in ("sigma", "shift"):
        t.put_or_default("flow_shift", shift, name)
    else:
        if given and shift != 1:
            t.note(name, f"has no effect: timestep_sampling is {kind}")
        t.put_or_default("flow_shift", 1.0, "timestep_sampling")
