"""What a base model refuses of the options, found out from its configuration alone: nothing of it is loaded."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

from curate.adapters.algorithm import JOINABLE
from curate.adapters.base import Adapter
from curate.core.findings import raise_together
from curate.diffusion import distilled, samplers
from curate.diffusion.base import Backbone
from curate.diffusion.block_swap import LEFT, blocks
from curate.diffusion.detect import Traits
from curate.diffusion.family import Family, families, family
from curate.diffusion.flow_transformer import check_given
from curate.diffusion.frame import frame
from curate.errors import InputError, MissingError
from curate.sampling.prompts import read_prompts
from curate.sampling.settings import usual_of
from curate.train.loop import objective_options, optimizer
from curate.train.network import build
from curate.train.options import TrainOptions, resolve
from curate.train.runtime import compile


def check_base(options: TrainOptions, base: Traits, place: Path | None, device: torch.device) -> Backbone:
    """The base without values.

    Raises what training would raise of these options on this base before its first step, all of it at once.
    """
    outlined = frame(base, options.base, place)
    own = outlined.family
    checks: list[Callable[[], object]] = [
        lambda: _check_files(options, own, place),
        lambda: _check_objective(options, base, place, outlined),
        lambda: _check_distilled(options, own, place),
        lambda: _check_guide(options, own),
        lambda: _check_clip_skip(options, outlined),
        lambda: _check_precision(options, own),
        lambda: _check_readers(options, own),
        # with both rates 0 nothing is left to train, as the options' own conflict says
        lambda: (
            options.unet_lr == options.text_lr == 0
            or _check_names(options, outlined, build.plan_network(options, outlined))
        ),
        lambda: optimizer.check(options),
        lambda: _check_samplers(options, base),
        lambda: _check_storage(options, outlined, device),
        lambda: _check_compiler(options, device),
    ]
    raise_together(checks)
    return outlined


def _check_files(options: TrainOptions, own: Family, place: Path | None) -> None:
    if options.tokenizer and place is not None and place.is_dir():
        raise InputError(f"tokenizer has no effect: {options.base} has its own", "leave it out")
    if options.text_encoder and (not own.stored_text or (place is not None and place.is_dir())):
        raise InputError(f"text_encoder has no effect: {options.base} has its own", "leave it out")
    if own.stored_text and place is not None and place.is_file():
        check_given(own.title, place.name, options.vae, options.text_encoder)


def _check_objective(options: TrainOptions, base: Traits, place: Path | None, frame: Backbone) -> None:
    if not base.prediction and place is not None and options.prediction == "auto":
        raise InputError(
            f"{place.name} does not say whether it predicts epsilon or v",
            "set prediction, or put its .yaml file beside it",
        )
    objective_options.noise_schedule(options, frame)


def _check_distilled(options: TrainOptions, own: Family, place: Path | None) -> None:
    if "base" in options.model_fields_set or options.distilled is not None:
        distilled.check(own, options.base, options.distilled, place)


def _check_compiler(options: TrainOptions, device: torch.device) -> None:
    if options.compile and (lack := compile.lacking(device)):
        raise MissingError(f"compile: this machine lacks {lack}", compile.REMEDY)


def _check_guide(options: TrainOptions, own: Family) -> None:
    owners = [found for found in families().values() if options.guide in found.guides]
    if owners and own.name not in {one.name for one in owners}:
        titles = " and ".join(one.title for one in owners)
        fitting = ", ".join(own.guides)
        raise InputError(
            f"guide {options.guide} is for {titles}, and the base is {own.title}",
            f"choose from {fitting}" if fitting else "leave it out",
        )


def _check_names(options: TrainOptions, frame: Backbone, adapters: Mapping[str, Adapter]) -> None:
    names = resolve.file_names(options, frame.family)
    if names not in ("kohya", "comfyui"):
        return
    for layer in frame.layer_names():
        adapter = adapters.get(layer.key) if layer.is_joint else None
        if adapter is not None and (options.dora or adapter.algorithm.stored not in JOINABLE):
            what = "DoRA" if options.dora else adapter.algorithm.title
            raise InputError(
                f"names {names} have one matrix for query, key and value of {frame.family.title}, and those of {what} "
                "cannot be made one",
                "leave names out: ComfyUI reads diffusers' names too",
            )


def _check_storage(options: TrainOptions, frame: Backbone, device: torch.device) -> None:
    elsewhere = options.swap_blocks != 0
    if elsewhere and device.type != "cuda":
        raise InputError(
            "swap_blocks has no effect on a CPU: its memory is where the blocks would be kept", "leave it out"
        )
    if options.compile and (elsewhere or options.base_precision != "auto"):
        name = "swap_blocks" if elsewhere else "base_precision"
        raise InputError(f"compile does not work with {name}", "leave one of them out")
    most = len(blocks(frame.parts["unet"])) - LEFT
    if isinstance(options.swap_blocks, int) and options.swap_blocks > most:
        raise InputError(f"swap_blocks {options.swap_blocks}: at most {most} blocks of this base can be swapped")


def _check_clip_skip(options: TrainOptions, frame: Backbone) -> None:
    if not frame.family.clip_skip:
        return
    config: Any = frame.parts["te1"].config
    layers = int(config["num_hidden_layers"])
    if options.clip_skip > max(1, layers):
        raise InputError(f"clip_skip {options.clip_skip} is more than the {layers} layers of the base's text encoder")


def _check_precision(options: TrainOptions, family: Family) -> None:
    if options.precision not in ("auto", *family.precisions):
        able = " or ".join(family.precisions)
        raise InputError(f"precision {options.precision} overflows in {family.title}", f"choose {able}")


def _check_readers(options: TrainOptions, family: Family) -> None:
    read = {spelling for spellings in family.readers.values() for spelling in spellings}
    if read and options.names != "auto" and options.names not in read:
        raise InputError(
            f"names {options.names}: no program reads {family.title}'s layers by these names",
            f"leave names out: its files have the names of {family.file_names}",
        )


def _check_samplers(options: TrainOptions, base: Traits) -> None:
    zero, own = base.ztsnr if options.ztsnr is None else options.ztsnr, family(base.family)
    if not options.sample_prompts or not (zero or own.objective == "flow"):
        return
    usual = options.sample_sampler or usual_of(own, base.resolution).sampler
    for prompt in read_prompts(Path(options.sample_prompts).expanduser()):
        samplers.check(prompt.sampler or usual, zero, objective=own.objective)
