"""What would end a run late is looked at before a model is loaded: files that options name, room for what is written."""

from __future__ import annotations

import os
from pathlib import Path

from curate.core.files import disk_errors
from curate.errors import InputError, MissingError
from curate.train import files, frame, limits
from curate.train.backbones import Backbone
from curate.train.dataset import read_dataset
from curate.train.digests import Known
from curate.train.options import TrainOptions
from curate.train.prompts import read_prompts


def check(options: TrainOptions, folder: Path, known: Known) -> None:
    """Raises InputError for a prompt file or validation folder that cannot be read and a folder that takes no file."""
    if options.sample_prompts:
        read_prompts(Path(options.sample_prompts).expanduser())
    if options.validation_folder:
        read_dataset(Path(options.validation_folder).expanduser(), options.caption_extension, known, reg=True)
    place = files.output_folder(options, folder)
    with disk_errors(f"to {place}"):
        place.mkdir(parents=True, exist_ok=True)
    if not os.access(place, os.W_OK):
        raise InputError(f"cannot write to {place}", "choose another output_dir")


def fits_memory(options: TrainOptions, backbone: Backbone) -> None:
    """Raises MissingError where the adapters alone exceed this machine's memory; nothing of them is made."""
    numbers = 0 if options.rank_from_file else frame.adapter_parameters(options, backbone)
    needed, there = numbers * 4 / limits.GIB, limits.installed()
    if there and needed > there:
        raise MissingError(
            f"the adapters have {numbers:,} numbers, {needed:.0f} GiB, and this machine has {there:.0f} GiB of memory",
            "a lower rank, or fewer layers",
        )
