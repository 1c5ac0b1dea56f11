"""Every option's effective value and where it came from: as it was given, or what base, device and data make of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection
from typing import Any

import torch

from curate.diffusion.detect import Traits
from curate.diffusion.family import family
from curate.sampling.settings import usual_of
from curate.train.data.run_plan import Outline, bucket_sides, bucket_step
from curate.train.network import plan
from curate.train.options import TrainOptions, imported, presets, resolve
from curate.train.options.algorithms import applies
from curate.train.options.objective import FLOW_ONLY


@dataclasses.dataclass(frozen=True)
class Value:
    """An option's effective value and where it came from."""

    value: Any
    source: str

    def text(self) -> str:
        """For the table."""
        if isinstance(self.value, tuple | list):
            return ", ".join(map(str, self.value)) or "-"
        if isinstance(self.value, bool):
            return "on" if self.value else "off"
        if isinstance(self.value, float):
            return f"{self.value:g}"
        return "-" if self.value in (None, "") else str(self.value)


def sources(options: TrainOptions, explicit: Collection[str], how: str) -> dict[str, Value]:
    """Every option as it was given, or as a file, a guide or its default has it."""
    guide = options.guide
    read = imported(options.from_kohya)
    found: dict[str, Value] = {}
    for name in type(options).model_fields:
        if name not in TrainOptions.model_fields:
            continue
        value = getattr(options, name)
        plain = value == TrainOptions.model_fields[name].default
        source = "default"
        if name in explicit:
            source = how
        elif name in read.values:
            source = f"{read.program}'s file"
        elif not guide and name in read.defaults and value == read.defaults[name]:
            source = f"{read.program}'s default"
        elif guide and not plain and name in presets.guides()[guide].values:
            source = presets.source(guide, name)
        found[name] = Value(value, source)
    return found


def settle(values: dict[str, Value], options: TrainOptions, base: Traits | None, device: torch.device) -> None:
    """Replaces what is None or auto by what it comes to, naming what decides it."""

    def put(name: str, value: Any, source: str) -> None:
        if getattr(options, name) in (None, "auto", (), ""):
            values[name] = Value(value, source)

    ranks = resolve.ranks(options)
    full = ranks.rank >= resolve.FULL
    algo = f"algo {options.algo}"
    put("rank", "full matrix" if full else ranks.rank, algo)
    rated = f"optimizer {options.optimizer}" if resolve.adaptive(options) else algo
    put("alpha", "none: full matrix" if full else ranks.alpha, rated)
    put("conv_rank", "full matrix" if full else ranks.conv_rank, algo)
    put("conv_alpha", "none: full matrix" if full else ranks.conv_alpha, algo)
    if applies("factor", options.algo):
        put("factor", plan.plan(options, spatial=False).factor, algo)
    put("learning_rate", resolve.learning_rate(options), rated)
    put("unet_lr", resolve.part_rate(options, "unet"), "learning_rate")
    put("text_lr", resolve.part_rate(options, "te1"), "learning_rate")
    put("schedule", resolve.schedule(options), f"optimizer {options.optimizer}")
    put("warmup", resolve.warmup(options), f"schedule {resolve.schedule(options)}")
    precision = str(resolve.precision(options, device)).removeprefix("torch.")
    put("precision", precision, f"device {device.type}")
    put("base_precision", precision, "precision")
    if base is None:
        return
    own = family(base.family)
    preset = resolve.layer_preset(options, own)
    put("layer_preset", preset, "base" if preset == own.layers else algo)
    if own.stored_text:
        values["max_tokens"], values["clip_skip"] = Value(own.caption_tokens, "base"), Value(None, "base")
        values["text_lr"] = Value("-", "base")
    put("names", resolve.file_names(options, own), "base")
    if not own.distilled:
        put("distilled", False, "base")
    put("sample_sampler", usual_of(own, own.resolution).sampler, "base")
    if own.objective == "diffusion":
        for name in FLOW_ONLY:
            put(name, "-", "base")
    else:
        drawn = resolve.flow(options, own)
        put("timestep_sampling", drawn.sampling, "base")
        put("dynamic_shift", drawn.dynamic_shift, "base")
        put("flow_shift", "by the picture's size" if drawn.dynamic_shift else drawn.shift, "base")
    resolution = options.largest_resolution or base.resolution
    put("family", base.family, "base")
    put("resolution", resolution, "base")
    put("bucket_step", bucket_step(options, resolution), "resolution")
    if options.upscale:
        shortest, longest = bucket_sides(options, resolution)
        put("bucket_min", shortest, "resolution")
        put("bucket_max", longest, "resolution")
    put("prediction", base.prediction or "not stated by the base", "base")
    put("ztsnr", base.ztsnr, "base")


def settle_length(values: dict[str, Value], options: TrainOptions, made: Outline) -> None:
    """Steps and epochs as they come out."""
    if options.epochs is None:
        values["epochs"] = Value(made.epochs, "steps" if options.steps else "data and showings")
    if options.steps is None or options.epochs is not None:
        values["steps"] = Value(made.steps, "data and epochs")
