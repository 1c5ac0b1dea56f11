"""Every effective value of a training run, where it came from, and its length worked out, without loading the base."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection
from pathlib import Path
from typing import Any

import torch

from curate.core.counting import counted
from curate.core.findings import Findings, combined
from curate.diffusion.base import Backbone
from curate.diffusion.detect import Traits
from curate.diffusion.family import families, family
from curate.errors import CurateError, MissingError
from curate.sampling.settings import usual_of
from curate.train.data import buckets
from curate.train.data.dataset import Dataset, Picture, add_regularisation, read_dataset
from curate.train.data.order import Order
from curate.train.data.run_plan import Outline, bucket_sides, bucket_step, fits, outline, split
from curate.train.loop import optimizer
from curate.train.network import plan
from curate.train.options import GROUPS, TrainOptions, imported, presets, resolve
from curate.train.options.algorithms import applies, either
from curate.train.options.objective import FLOW_ONLY
from curate.train.planning import advice, checks, dry_model, estimate, requirements
from curate.train.planning.base_checks import check_base
from curate.train.planning.base_place import base_place, base_traits
from curate.train.planning.memory_plan import within_memory
from curate.train.planning.preflight import fit_warnings


@dataclasses.dataclass(frozen=True)
class Value:
    """An option's effective value and where it came from."""

    value: Any
    source: str


def outline_of(options: TrainOptions, data: Dataset, native: int, least: int = 8) -> Outline:
    """The length of the run on a base of that native resolution, from the pictures' sizes alone.

    `least` is what the family's sides are multiples of.
    """
    return outline(options, *fitted(options, data, native, least))


def fitted(
    options: TrainOptions, data: Dataset, native: int, least: int = 8
) -> tuple[list[Picture], list[buckets.Fit]]:
    """The pictures that are trained, at each resolution, and how each becomes its bucket's size."""
    trained, _ = split(data.pictures, options.validation, options.seed)
    rows = fits(options, native, least, [*trained, *data.reg])
    return [picture for picture, _ in rows], [fit for _, fit in rows]


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


def findings(options: TrainOptions, folder: Path, explicit: Collection[str], device: torch.device) -> Findings:
    """Tables of every effective value and source, the length worked out, the estimate and the advice.

    Raises what training would raise of the options, and MissingError for all that it will not find. With a file of
    kohya's the findings hold the error instead: what became of the file is worth seeing first.
    """
    values = sources(options, explicit, "command line")
    closing: list[str] = []
    facts: dict[str, Any] = {}
    error: CurateError | None = None
    try:
        options = _planned(options, values, closing, device)
        facts = _worked_out(options, folder, values, closing, device)
    except CurateError as refusal:
        error = refusal
    error = _all_at_once(error, options, folder, device)
    if error is not None and not options.from_kohya:
        raise error
    closing += imported(options.from_kohya).messages(options.from_kohya)
    names = [name for group in GROUPS.values() for name in group.model_fields]
    rows = [(name, _text(values[name].value), values[name].source) for name in names]
    plain = {name: dataclasses.asdict(value) for name, value in values.items()}
    return Findings(
        [[("option", "value", "from"), *rows]], closing, {"options": plain, "notes": closing, **facts}, error
    )


def _planned(options: TrainOptions, values: dict[str, Value], closing: list[str], device: torch.device) -> TrainOptions:
    """The options with what makes them fit a card, which is put into `values` and `closing`."""
    planned, chosen = within_memory(options, device)
    closing += [chosen] if chosen else []
    for name in ("gradient_checkpointing", "base_precision", "swap_blocks"):
        if getattr(planned, name) != getattr(options, name):
            values[name] = Value(getattr(planned, name), f"fit {options.fit}" if options.fit else "free memory")
    return planned


def _worked_out(
    options: TrainOptions, folder: Path, values: dict[str, Value], closing: list[str], device: torch.device
) -> dict[str, Any]:
    """Settles `values` by what base and data are, adds lines to `closing`; the length and the estimate as values.

    Raises what training would raise of the options.
    """
    base, place = None, None
    try:
        place = base_place(options)
        base = base_traits(options, place)
    except MissingError as error:
        closing.append(
            f"{error.message}: the settings that depend on it are not known yet; give family {either(families())}"
        )
    settle(values, options, base, device)
    data = content(options, folder)
    checks.check_files(options, folder)
    facts: dict[str, Any] = {}
    if base is None:
        optimizer.check(options)
    else:
        if place is None:
            closing.append(f"the base is not on this machine: these numbers are for {base.family}")
        frame = check_base(options, base, place, device)
        made = outline_of(options, data, base.resolution, frame.family.step)
        settle_length(values, options, made)
        lines, facts = _course(options, data, made, frame, device)
        closing += lines
    closing += [f"warning: {line}" for line in data.warnings]
    return facts


def _all_at_once(
    error: CurateError | None, options: TrainOptions, folder: Path, device: torch.device
) -> CurateError | None:
    """The error with everything else that training will not find; a base that `family` stands for is not wanted."""
    lacks = requirements.missing(options, folder, str(device), needs_base=options.family is None)
    everything = [*([error] if error else []), *lacks]
    return combined(everything) if everything else None


def settle_length(values: dict[str, Value], options: TrainOptions, made: Outline) -> None:
    """Steps and epochs as they come out."""
    if options.epochs is None:
        values["epochs"] = Value(made.epochs, "steps" if options.steps else "data and showings")
    if options.steps is None or options.epochs is not None:
        values["steps"] = Value(made.steps, "data and epochs")


def _course(
    options: TrainOptions, data: Dataset, made: Outline, frame: Backbone, device: torch.device
) -> tuple[list[str], dict[str, Any]]:
    """Length, estimate and advice of a run: as lines, and as values."""
    counted = estimate.counts(frame, dry_model.adapter_parameters(options, frame))
    files = resolve.files(options, made.steps, made.order.steps_per_epoch)
    expected = estimate.of(options, frame.family.name, counted, made.shapes, made.steps, device, files)
    setting = advice.Setting(frame.family.name, frame.resolution, frame.ztsnr)
    lines = [*length_lines(options, made), *expected.lines()]
    lines += [f"{level}: {line}" for level, line in advice.lines(options, setting, made.order)]
    lines += [f"warning: {line}" for line in fit_warnings(*fitted(options, data, frame.resolution, frame.family.step))]
    return lines, {"length": _length(options, made), "estimate": dataclasses.asdict(expected)}


def content(options: TrainOptions, folder: Path) -> Dataset:
    """What would be trained; nothing is written into the folder."""
    data = read_dataset(folder, options.caption_reading, None, masks=options.masked_loss)
    if options.regularization:
        add_regularisation(data, options.regularization, options.caption_reading)
    return data


def length_lines(options: TrainOptions, made: Outline) -> list[str]:
    """The run's length, every factor named."""
    order = made.order
    shapes = ", ".join(f"{w}x{h}: {n}" for (w, h), n in made.shapes.items())
    return [
        f"{counted(made.pictures, 'picture')}{_at(options)} × their repeats = "
        f"{order.showings_per_epoch} shown per epoch; buckets {shapes}",
        f"batch {options.batch}, filled from one bucket and concept at a time → "
        f"{counted(order.batches_per_epoch, 'batch', 'batches')}; "
        f"accumulate {options.accumulate} → {counted(order.steps_per_epoch, 'step')} per epoch",
        _total(order, made),
    ]


def _at(options: TrainOptions) -> str:
    return f" at {len(options.resolutions)} resolutions" if len(options.resolutions) > 1 else ""


def _total(order: Order, made: Outline) -> str:
    often = round(made.showings / max(1, made.pictures), 2)
    each = f"each picture is shown {often:g} {'time' if often == 1 else 'times'} on average"
    whole = made.epochs * order.steps_per_epoch
    epochs = counted(made.epochs, "epoch")
    if made.steps == whole:
        return f"× {epochs} = {counted(made.steps, 'step')}; {each}"
    return f"{made.steps} of the {counted(whole, 'step')} of {epochs} are trained; {each}"


def _length(options: TrainOptions, made: Outline) -> dict[str, Any]:
    return {
        "pictures": made.pictures,
        "showings_per_epoch": made.order.showings_per_epoch,
        "batch": options.batch,
        "batches_per_epoch": made.order.batches_per_epoch,
        "accumulate": options.accumulate,
        "steps_per_epoch": made.order.steps_per_epoch,
        "epochs": made.epochs,
        "steps": made.steps,
        "showings": made.showings,
        "buckets": {f"{w}x{h}": n for (w, h), n in made.shapes.items()},
    }


def _text(value: Any) -> str:
    if isinstance(value, tuple | list):
        return ", ".join(map(str, value)) or "-"
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, float):
        return f"{value:g}"
    return "-" if value in (None, "") else str(value)
