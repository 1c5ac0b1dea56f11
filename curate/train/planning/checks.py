"""What would end a run late is looked at before a model is loaded, and before a finished run is recalled."""

from __future__ import annotations

import os
from pathlib import Path

from curate.core.digests import FileDigests
from curate.core.disk_errors import disk_errors
from curate.errors import InputError
from curate.sampling.prompts import read_prompts
from curate.train.data.dataset import read_dataset
from curate.train.options import TrainOptions
from curate.train.output.metadata_user import words
from curate.train.output.run_records import output_folder


def check_files(options: TrainOptions, folder: Path, digests: FileDigests | None = None) -> None:
    """Raises InputError for a file of prompts, a folder or a picture that cannot be read. Nothing is written."""
    if options.sample_prompts:
        read_prompts(Path(options.sample_prompts).expanduser())
    for option in ("reg_folder", "validation_folder"):
        given = getattr(options, option)
        if given and Path(given).expanduser().resolve() == folder.resolve():
            raise InputError(f"{option} {given} is the folder that is trained", "give pictures of their own")
    if options.validation_folder:
        read_dataset(Path(options.validation_folder).expanduser(), options.caption_reading, digests, reg=True)
    words(options, "")


def check(options: TrainOptions, folder: Path, digests: FileDigests | None = None) -> None:
    """`check_files`, and makes the folder that the LoRA goes to. Raises InputError where it takes no file."""
    check_files(options, folder, digests)
    check_output(options, folder)
    place = output_folder(options, folder)
    with disk_errors(f"to {place}"):
        place.mkdir(parents=True, exist_ok=True)


def check_output(options: TrainOptions, folder: Path) -> Path:
    """The nearest folder to that of the LoRA that is there. Raises InputError where it takes no file."""
    place = output_folder(options, folder)
    there = next(p for p in (place.absolute(), *place.absolute().parents) if p.exists())
    if not there.is_dir():
        raise InputError(f"cannot write to {place}: {there} is a file", "choose another output_dir")
    if not os.access(there, os.W_OK):
        raise InputError(f"cannot write to {place}: {there} takes no files", "choose another output_dir")
    return there
