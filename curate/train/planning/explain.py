"""Every effective value of a training run, where it came from, and its length worked out, without loading the base."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection
from pathlib import Path
from typing import Any

import torch

from curate.core.findings import Findings, combined
from curate.diffusion.base import Backbone
from curate.diffusion.family import families
from curate.errors import CurateError, MissingError
from curate.train.data import buckets
from curate.train.data.dataset import Dataset, Picture, add_regularisation, read_dataset
from curate.train.data.run_plan import Outline, fits, outline, split
from curate.train.loop import optimizer
from curate.train.options import GROUPS, TrainOptions, imported, resolve
from curate.train.options.algorithms import either
from curate.train.planning import advice, checks, dry_model, estimate, requirements
from curate.train.planning.base_checks import check_base
from curate.train.planning.base_place import base_place, base_traits
from curate.train.planning.effective_values import Value, settle, settle_length, sources
from curate.train.planning.memory_plan import within_memory
from curate.train.planning.preflight import fit_warnings
from curate.train.planning.run_length import length_lines, length_values


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
    rows = [(name, values[name].text(), values[name].source) for name in names]
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
    return lines, {"length": length_values(options, made), "estimate": dataclasses.asdict(expected)}


def content(options: TrainOptions, folder: Path) -> Dataset:
    """What would be trained; nothing is written into the folder."""
    data = read_dataset(folder, options.caption_reading, None, masks=options.masked_loss)
    if options.regularization:
        add_regularisation(data, options.regularization, options.caption_reading)
    return data
