"""How sd-scripts' trainer of SD 3 draws noise levels: by weighting_scheme alone, then shifted by training_shift."""

from __future__ import annotations

from curate.train.options.kohya.settings import Translation

UNREAD = ("timestep_sampling", "discrete_flow_shift")
LIMITS = ("min_timestep", "max_timestep")
DRAWS = {"logit_normal": "logit-normal", "mode": "mode"}
"""Its names of draws, and ours; the other schemes draw evenly."""
SHAPES = {"logit_normal": ("logit_mean", "logit_std"), "mode": ("mode_scale",)}


def draw(t: Translation) -> str:
    """Sets the draw; returns the setting that decides on it there."""
    t.idle(UNREAD, "the trainer of SD 3 does not read it")
    scheme = str(t.take("weighting_scheme") or "uniform")
    shift = t.number("training_shift")
    if scheme == "cosmap":
        t.refuse("weighting_scheme", "every noise level has the same weight", "timestep_sampling")
    else:
        _drawn(t, scheme)
    if shift is None:
        t.default("flow_shift", 1.0)
    else:
        t.put("flow_shift", shift, "training_shift")
    if any(map(t.has, LIMITS)) and (scheme in DRAWS or shift not in (None, 1)):
        t.refuse(next(filter(t.has, LIMITS)), "the whole distribution is squeezed between them, nothing is cut off")
    if scheme != "sigma_sqrt":  # which takes the weight of its loss away again
        t.result.notes.append(
            f"weighting_scheme {scheme}: sd-scripts gives noise levels of SD 3 a weight of σ², curate the same weight"
        )
    return f"weighting_scheme {scheme}"


def _drawn(t: Translation, scheme: str) -> None:
    """A level as it is drawn: 0 is the picture, 1 is noise."""
    kind = DRAWS.get(scheme, "uniform")
    if "weighting_scheme" in t.taken:
        t.put("timestep_sampling", kind, "weighting_scheme")
    else:
        t.default("timestep_sampling", kind)
    for name in SHAPES.get(scheme, ()):
        if (value := t.number(name)) is not None:
            t.put(name, value, name)
