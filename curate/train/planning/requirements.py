"""Everything that keeps a training run from starting: all of it at once, and nothing heavy is loaded."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path

from curate.core.findings import failures
from curate.diffusion import locate
from curate.diffusion.autoencoders.vae import check_file
from curate.diffusion.base_names import check_trainable
from curate.diffusion.detect import traits
from curate.diffusion.family_class import family_class
from curate.diffusion.frame import frame
from curate.diffusion.text import tokenizer
from curate.errors import CurateError, InputError, MissingError
from curate.sampling.prompts import read_prompts
from curate.train.data import folders
from curate.train.loop import optimizer
from curate.train.network.warm_start import start_file
from curate.train.options import TrainOptions
from curate.train.output.lora_file import DTYPES
from curate.train.output.metadata_user import words
from curate.train.planning import dry_model
from curate.train.planning.base_checks import check_base
from curate.train.planning.base_place import base_place, base_traits, check_family
from curate.train.planning.checks import check_output
from curate.train.runtime import compile, memory
from curate.train.runtime.device import resolve_device

SMALLEST = 1 << 20
"""Bytes of the smallest LoRA."""


def missing(
    options: TrainOptions,
    folder: Path,
    device: str,
    require_gpu: bool = False,
    offline: bool = False,
    *,
    needs_base: bool = True,
) -> list[CurateError]:
    """What is wrong or missing for training into `folder`. A hub name counts as there unless `offline` is set.

    Without `needs_base` the base itself may be missing.
    """
    checks: list[Callable[[], None]] = [
        *([lambda: _base(options, offline)] if needs_base else []),
        lambda: _vae(options, offline),
        lambda: _text_encoder(options, offline),
        lambda: _tokenizer(options, offline),
        lambda: _prompts(options),
        lambda: _pictures(str(options.regularization or ""), "reg_folder"),
        lambda: _pictures(options.validation_folder, "validation_folder"),
        lambda: _start(options),
        lambda: optimizer.check(options),
        lambda: _device(options, device, require_gpu),
        lambda: _output(options, folder),
        lambda: _thumbnail(options),
        lambda: _on_base(options, device),
    ]
    # what lies at fault in two checks has one message
    return list({(error.message, error.remedy): error for error in failures(checks)}.values())


def _on_hub(error: CurateError, offline: bool) -> None:
    """Raises the error again unless the hub may still have what is not on this machine."""
    if offline or not isinstance(error, MissingError):
        raise error


def _base(options: TrainOptions, offline: bool) -> None:
    try:
        locate.locate_base(options.base, offline=True)
        if options.family is not None:
            check_family(options, traits(options.base, offline=True, family=options.family).family)
    except CurateError as error:
        if isinstance(error, MissingError):
            check_trainable(options.base, options.family, options.distilled)
        _on_hub(error, offline)


def _vae(options: TrainOptions, offline: bool) -> None:
    if not options.vae:
        return
    try:
        check_file(locate.vae_files(options.vae, offline=True))
    except CurateError as error:
        _on_hub(error, offline)


def _tokenizer(options: TrainOptions, offline: bool) -> None:
    base = Path(options.base).expanduser()
    if not (options.tokenizer or base.is_file()):
        return
    own = None
    with contextlib.suppress(CurateError):  # `_base` says what is wrong
        own = family_class(traits(options.base, offline=True, family=options.family).family)
    if own is None and base.is_file() and not _is_pickle(base):
        return
    if own is None or not own.family.stored_text:
        tokenizer.check(options.tokenizer, base, offline)
        return
    try:
        own.check_tokenizers(options.tokenizer, base)
    except CurateError as error:
        _on_hub(error, offline)


def _text_encoder(options: TrainOptions, offline: bool) -> None:
    if not options.text_encoder:
        return
    try:
        locate.text_encoder_files(options.text_encoder, offline=True)
    except CurateError as error:
        _on_hub(error, offline)


def _prompts(options: TrainOptions) -> None:
    if options.sample_prompts:
        read_prompts(Path(options.sample_prompts).expanduser())


def _pictures(given: str, option: str) -> None:
    """A folder of N_name folders."""
    if not given:
        return
    place = Path(given).expanduser()
    if not place.is_dir():
        raise InputError(f"{option}: there is no folder {place}", "give a folder with sub-folders called N_name")
    folders.concepts(place)


def _start(options: TrainOptions) -> None:
    if options.start_from:
        start_file(options.start_from)


def _on_base(options: TrainOptions, device: str) -> None:
    """Options that do not fit the base, or the LoRA to start from, where the base is on this machine."""
    try:
        place = base_place(options)
    except CurateError:
        return  # `_base` says why
    if not _is_pickle(place):
        check_base(options, base_traits(options, place), place, resolve_device(device))


def _is_pickle(place: Path | None) -> bool:
    """Whether the names in the base are known only once all of it is read."""
    return place is not None and place.suffix in locate.CHECKPOINTS and place.suffix != ".safetensors"


def _thumbnail(options: TrainOptions) -> None:
    words(options, "")


def _device(options: TrainOptions, device: str, require_gpu: bool) -> None:
    resolved = resolve_device(device, require_gpu)
    if options.compile and (lack := compile.lacking(resolved)):
        raise MissingError(f"compile: this machine lacks {lack}", compile.REMEDY)


def _output(options: TrainOptions, folder: Path) -> None:
    """The place for the LoRA takes files, and holds it; it is not made yet."""
    there = check_output(options, folder)
    memory.require_disk(there, lora_bytes(options) / memory.GIB, "the LoRA")


def lora_bytes(options: TrainOptions) -> int:
    """Size of the finished LoRA, from the base's configuration; where that is not known, the least there is."""
    try:
        place = base_place(options)
        if _is_pickle(place):
            return SMALLEST
        outlined = frame(base_traits(options, place), options.base, place)
        return max(SMALLEST, dry_model.adapter_parameters(options, outlined) * DTYPES[options.save_precision].itemsize)
    except CurateError:
        return SMALLEST
